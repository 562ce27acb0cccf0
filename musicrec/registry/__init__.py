"""A schema registry of the platform's: our schemas in it, and their ids with what we publish.

Nothing here is needed without one.  Confluent's, Karapace and Apicurio have the API that is spoken.
"""
