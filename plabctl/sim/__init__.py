"""The policy under a virtual clock: what each back-off would cost and do on a trace of up and down.

The core decides here as it does in a tick; nothing of the policy is written twice. Read `driver`, then `totals`.
"""
