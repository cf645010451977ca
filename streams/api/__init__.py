"""A worker that answers: it follows what the others know into a store, and serves it by HTTP.

It decides nothing and writes to no topic. Only what is installed with the extra `api` is needed by
`streams.api.web`, `tokens` and `worker`; the store and what is asked of it go without.
"""
