"""Traces: what happened to one answer, from its webhook to the platform's word, as spans.

Off unless `NPS_TRACES` says otherwise; then nothing of this is built and no SDK is imported. The id
of a trace is that of its cause (`causes`), so whoever knows the cause knows the trace, whatever lay
between: a redelivery, the spool, a row that waits for days.
"""
