"""The gateway: the contracts over HTTP and WebSocket, for players that have no Kafka client, and for scrobblers.

Everything here is made of `musicrec.client.AsyncClient`; no file but `broker` knows of Kafka.  The order in a request:
token ▸ rate limit ▸ body within its limits ▸ records, each by the contract ▸ broker ▸ answer.
"""
