"""The operator's policy: `policy.yaml` as frozen values, a section a file.

In: the file (the shipped one explains every key). Out: `whole.Policy`, or errors that name the fix.
"""
