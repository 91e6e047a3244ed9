"""The bus: an ordered log of records per key, behind one port with two adapters.

`port` is what services see; `kafka` and `postgres` implement it; `consume` is the loop that turns a
handler into a consumer with four fates; `topics` declares what must exist. One contract suite,
`tests/contracts/test_bus.py`, runs over both adapters.
"""
