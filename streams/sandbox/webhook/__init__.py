"""A receiver of webhooks for tests and demonstrations, as naive as the standard allows.

It believes a message whose signature and time are right, takes each id once, and does what it is told in the
order in which it is told: which message is older it does not look at.

    python -m streams.sandbox.webhook --port 8072 --secret whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD
"""

from streams.sandbox.webhook.receiver import Believes, Receiver, Taken, hmac_of

__all__ = ["Believes", "Receiver", "Taken", "hmac_of"]
