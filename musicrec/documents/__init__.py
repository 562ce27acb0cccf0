"""Documents made from the contract: JSON Schemas, the AsyncAPI document, the tables of topics and of access.

They lie in `deploy/contracts/`; `musicrec contracts write deploy/contracts` makes them again after a change.
"""

from musicrec.documents.asyncapi import asyncapi_document
from musicrec.documents.contract_files import check_files, contract_files, write_files
from musicrec.documents.json_schemas import json_schema
from musicrec.documents.topics_table import topics_table

__all__ = ["asyncapi_document", "check_files", "contract_files", "json_schema", "topics_table", "write_files"]
