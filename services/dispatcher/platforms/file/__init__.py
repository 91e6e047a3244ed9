"""Lists as CSV files: calls to make and letters to post, one row for each delivery.

In: an `ActionCall`. Out: a `Verdict`, once the row is on the disk. `*` marks the pure module:

- `rows`*     a delivery as one line, in which nothing is a formula
- `folder`    the files of one target: appended to, never twice, rows taken out for an erasure
- `carrier`   all of it for one delivery, within a budget
"""
