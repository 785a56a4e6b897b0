"""The audit trail of a service: who did what, to which rows, and how it ended.

An entry holds ids and never contents. How it is written:

    a change               in its transaction (`trail.Trail.record_change`)
    a read, a refusal      from a bounded buffer, within a second (`recorder.Recorder.end_call`)

Entries are written unchained: a chain in the transaction would serialise all writers. Once a minute
one elected sealer (`sealer`) chains a digest over the entries that were committed since the last
one, and `verification` finds a break of that chain. Retention deletes whole sealed spans and keeps
their digests.
"""
