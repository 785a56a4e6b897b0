"""Events: from the transaction of a change to the endpoint of the change's owner.

One word per stage, in the code, the tables and the log:

    owner       who is notified: an account or a merchant, with at most one endpoint
    endpoint    the URL, headers and secret of an owner; disabled after it has answered 410
    stream      what an event is about (a session, an order); its events are delivered in order
    event       what happened; stored in the outbox in the transaction of the change
    lease       an event that one dispatcher has taken for a while
    delivery    a leased event addressed to its endpoint: URL, headers, signature, body
    attempt     one HTTP POST of a delivery, redirects included
    result      what came of an attempt: an HTTP status, or why there is none
    state       where an event stands after its last attempt: pending, delivered, declined,
                dead or cancelled
"""
