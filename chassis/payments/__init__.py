"""Payments: what is asked of a payment provider, and what the provider reports.

One word per thing, in the code, the tables and the log:

    owner       who is paid: a merchant or a partner
    account     an owner's account at a provider: its keys; an owner without one records by hand
    provider    the company that takes the money, on a page of its own
    charge      what is asked of the provider: a page on which an amount is paid, or a refund
    callback    what the provider reports by itself, signed, as raw bytes
    outcome     what became of a charge: taken, refunded, failed or expired
    cashier     what makes the calls to providers, outside of any RPC

How a service uses it:

1. In its tables: `payment_accounts = PaymentAccounts(metadata)`, `charges = Charges(metadata)`;
   their `personal` is among its personal tables.
2. In its reference data: `account_field()` in the owner's schema, and on load
   `payment_accounts.put(tx, owner, account)`.
3. In the transaction that wants money: `charges.ask_for_page(tx, PageOrder(...), now)`, or
   `charges.ask_for_refund(...)`. A cashier in the background makes the call.
4. `record(tx, charge, report, now)` of its own: it locks what the charge is about, then calls
   `charges.record`, and does what follows only if that returns true. The cashier calls it, and the
   RPC that receives callbacks does, after `read_callback`.
"""
