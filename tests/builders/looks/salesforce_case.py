"""Salesforce: the fields of a Case."""

from typing import Final

import httpx

from tests.builders.looks import Look, Wrong, drop

_CASE: Final = "/services/data/v62.0/sobjects/Case/describe"

LOOK = Look(
    "salesforce_case",
    {
        _CASE: {
            "name": "Case",
            "fields": [
                {"name": name, "type": "string"}
                for name in (
                    *("NPS_Delivery_Id__c", "Subject", "Description", "Origin", "Priority"),
                    *("SuppliedName", "SuppliedEmail", "SuppliedPhone"),
                )
            ],
        }
    },
    (
        Wrong(
            "no external id",
            drop(_CASE, "fields", "NPS_Delivery_Id__c", "name"),
            (("field_missing", "NPS_Delivery_Id__c, which our requests write, is not there"),),
        ),
        Wrong(
            "no Cases",
            lambda there: there.update({_CASE: httpx.Response(404, json=[])}),
            (("credentials", "describe: HTTP 404: the app's user does not see Cases"),),
        ),
    ),
    httpx.Response(401, json=[{"errorCode": "INVALID_SESSION_ID"}]),
)
