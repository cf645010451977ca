"""Badge streams: awards Open edX badges from the event bus and issues them at their issuers."""
