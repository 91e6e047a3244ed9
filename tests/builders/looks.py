"""What each platform answers to a preflight, as documented; the values are ours.

A `Look` is one preset, with the settings of its case in `fakes`: by path what is there when all is,
and changes of it with what must be told of each. `refused` is the platform's own way to say that it
does not know the account.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.builders.fakes import Case, carrier_of, cases
from tests.builders.platforms import Fake

Told = tuple[str, str]

_STRANGER: Final = httpx.Response(401, json={"message": "who are you?"})


@dataclass(frozen=True, slots=True)
class Wrong:
    """One change of the answers, and the findings that it leads to (reason, what)."""

    id: str
    change: Callable[[dict[str, Any]], object]
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """One preset's preflight."""

    preset: str
    there: Mapping[str, Any]
    wrong: tuple[Wrong, ...] = ()
    refused: httpx.Response = _STRANGER


class Looking:
    """A platform that signs in as its fake does, and answers looks by path."""

    def __init__(self, fake: Fake, there: Mapping[str, Any]) -> None:
        self.there = copy.deepcopy(dict(there))
        self.calls: list[httpx.Request] = []
        self._fake = fake

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one call."""
        if request.method == "POST" and "token" in request.url.path:
            return self._fake.handle(request)
        self.calls.append(request)
        answer = self.there[request.url.path]
        # An answer is read once: each call has its own.
        return copy.copy(answer) if isinstance(answer, httpx.Response) else _json(answer)


def _json(content: Any) -> httpx.Response:
    return httpx.Response(200, json=content)


def case_of(look: Look) -> Case:
    """Find the case with the preset's settings."""
    return next(case for case in cases() if case.preset == look.preset)


def carrier(look: Look, platform: Looking) -> Any:
    """Make the product's carrier that talks to it."""
    return carrier_of(case_of(look), httpx.MockTransport(platform.handle))


def _drop(path: str, key: str, name: str, label: str) -> Callable[[dict[str, Any]], object]:
    """Take an item out of a list."""

    def change(there: dict[str, Any]) -> None:
        there[path][key] = [item for item in there[path][key] if item[label] != name]

    return change


def _set(
    path: str, key: str, name: str, label: str, **said: Any
) -> Callable[[dict[str, Any]], object]:
    """Describe an item of a list in another way."""

    def change(there: dict[str, Any]) -> None:
        next(item for item in there[path][key] if item[label] == name).update(said)

    return change


def _bands(label: str = "value") -> list[dict[str, str]]:
    return [{label: band, "label": band.title()} for band in ("detractor", "passive", "promoter")]


_HUBSPOT: Final = "/crm/properties/2026-09/contacts"
_HUBSPOT_TICKETS: Final = "/crm/properties/2026-09/tickets"
_BRAZE: Final = "/custom_attributes"
_MAUTIC: Final = "/api/fields/contact"
_MAILS: Final = "/api/emails"
_MERGE: Final = "/3.0/lists/a1b2c3d4e5/merge-fields"
_SFMC: Final = "/interaction/v1/eventDefinitions"
_AC: Final = "/api/3/fields"
_AC_RUNS: Final = "/api/3/automations"
_ITERABLE: Final = "/api/users/getFields"
_TWILIO: Final = "/v1/Services/MG00000000000000000000000000000003"
_TWILIO_TEXTS: Final = "/v1/Content"
_JIRA: Final = "/rest/servicedeskapi/servicedesk/10/requesttype/25/field"
_CASE: Final = "/services/data/v62.0/sobjects/Case/describe"
_FORMBRICKS: Final = "/api/v2/management/contact-attribute-keys"
_V8: Final = "/example-v8/campaign/profileAndServicesExt/resourceType/profile"
_AJO: Final = (
    "/data/foundation/schemaregistry/tenant/schemas/"
    "https://ns.adobe.com/example/schemas/0123456789abcdef"
)


def _ajo(there: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = there[_AJO]["properties"]["_example"]["properties"]["nps"][
        "properties"
    ]
    return fields


_NO_SCOPE: Final = (
    "properties: HTTP 403: the private app may not read properties (crm.schemas.contacts.read)"
)
_NO_PERMISSION: Final = (
    "attributes: HTTP 403: the API key may not read attributes (custom_attributes.get)"
)

LOOKS: Final = (
    Look(
        "hubspot",
        {
            _HUBSPOT: {
                "results": [
                    {"name": "nps_score", "type": "number", "options": []},
                    {"name": "nps_segment", "type": "enumeration", "options": _bands()},
                    {"name": "nps_previous_segment", "type": "string", "options": []},
                    {"name": "nps_answered_at", "type": "datetime", "options": []},
                    {"name": "firstname", "type": "string", "options": []},
                ]
            }
        },
        (
            Wrong(
                "no property",
                _drop(_HUBSPOT, "results", "nps_answered_at", "name"),
                (("field_missing", "nps_answered_at (for nps_answered_at) is not there"),),
            ),
            Wrong(
                "a number for a text",
                _set(_HUBSPOT, "results", "firstname", "name", type="number"),
                (("field_type", "firstname is number, first_name is written as text"),),
            ),
            Wrong(
                "no option",
                _set(_HUBSPOT, "results", "nps_segment", "name", options=_bands()[:2]),
                (("value_missing", "nps_segment has no value promoter (for nps_segment)"),),
            ),
            Wrong(
                "no scope",
                lambda there: there.update({_HUBSPOT: httpx.Response(403, json={})}),
                (("unreadable", _NO_SCOPE),),
            ),
        ),
    ),
    Look(
        "braze",
        {
            _BRAZE: {
                "message": "success",
                "attributes": [
                    {"name": "nps_score", "data_type": "Number", "status": "Active"},
                    {"name": "nps_segment", "data_type": "String", "status": "Active"},
                ],
            }
        },
        (
            Wrong("made by the first write", _drop(_BRAZE, "attributes", "nps_score", "name"), ()),
            Wrong(
                "another type",
                _set(_BRAZE, "attributes", "nps_score", "name", data_type="String"),
                (("field_type", "nps_score is String, nps_score is written as number"),),
            ),
            Wrong(
                "no permission",
                lambda there: there.update({_BRAZE: httpx.Response(403, json={})}),
                (("unreadable", _NO_PERMISSION),),
            ),
        ),
    ),
    Look(
        "mautic",
        {
            _MAUTIC: {
                "total": 5,
                "fields": [
                    {"id": 1, "alias": "nps_score", "type": "text", "properties": []},
                    {
                        "id": 2,
                        "alias": "nps_segment",
                        "type": "select",
                        "properties": {"list": _bands()},
                    },
                    {"id": 3, "alias": "nps_previous_segment", "type": "text", "properties": []},
                    {"id": 4, "alias": "nps_answered_at", "type": "datetime", "properties": []},
                    {"id": 5, "alias": "firstname", "type": "text", "properties": []},
                ],
            },
            # Under their numbers.
            _MAILS: {"total": 1, "emails": {"12": {"id": 12, "name": "Reassurance"}}},
        },
        (
            Wrong(
                "no field",
                _drop(_MAUTIC, "fields", "firstname", "alias"),
                (("field_missing", "firstname (for first_name) is not there"),),
            ),
            Wrong(
                "a number for mapped values",
                _set(_MAUTIC, "fields", "nps_score", "alias", type="number"),
                (("field_type", "nps_score is number, nps_score is written as text"),),
            ),
            Wrong(
                "no value",
                _set(_MAUTIC, "fields", "nps_segment", "alias", properties={"list": _bands()[1:]}),
                (("value_missing", "nps_segment has no value detractor (for nps_segment)"),),
            ),
            Wrong(
                "no e-mail",
                lambda there: there[_MAILS].update(emails=[]),
                (("template_missing", "template 12 is not there"),),
            ),
            Wrong(
                "no permission",
                lambda there: there.update({_MAILS: httpx.Response(403, json={})}),
                (
                    (
                        "unreadable",
                        "emails: HTTP 403: the credential may not look at fields or e-mails",
                    ),
                ),
            ),
        ),
    ),
    Look("klaviyo", {"/api/profiles": {"data": [], "links": {"next": None}}}),
    Look(
        "customerio",
        {
            "/api/v1/accounts/region": {
                "url": "https://track-eu.customer.io",
                "data_center": "eu",
                "environment_id": 1,
            },
            "/v1/transactional": {"messages": []},
        },
        (
            Wrong(
                "the other key",
                lambda there: there.update({"/v1/transactional": httpx.Response(401, json={})}),
                (("credentials", "app: HTTP 401: the credentials are not valid"),),
            ),
        ),
    ),
    Look("customerio_email", {"/v1/transactional": {"messages": [{"id": 2, "name": "Other"}]}}),
    Look(
        "mailchimp",
        {
            _MERGE: {
                "merge_fields": [
                    {"tag": "NPS", "type": "number", "options": {}},
                    {
                        "tag": "NPSSEG",
                        "type": "dropdown",
                        "options": {"choices": ["detractor", "passive", "promoter"]},
                    },
                    {"tag": "NPSPREV", "type": "text", "options": {"size": 25}},
                    {"tag": "NPSDATE", "type": "date", "options": {"date_format": "MM/DD/YYYY"}},
                    {"tag": "FNAME", "type": "text", "options": {"size": 25}},
                ],
                "total_items": 5,
            }
        },
        (
            Wrong(
                "no merge field",
                _drop(_MERGE, "merge_fields", "NPS", "tag"),
                (("field_missing", "NPS (for nps_score) is not there"),),
            ),
            Wrong(
                "a date for a text",
                _set(_MERGE, "merge_fields", "FNAME", "tag", type="date"),
                (("field_type", "FNAME is date, first_name is written as text"),),
            ),
            Wrong(
                "no choice",
                _set(
                    _MERGE, "merge_fields", "NPSSEG", "tag", options={"choices": ["a", "passive"]}
                ),
                (
                    ("value_missing", "NPSSEG has no value detractor (for nps_segment)"),
                    ("value_missing", "NPSSEG has no value promoter (for nps_segment)"),
                ),
            ),
            Wrong(
                "no such audience",
                lambda there: there.update({_MERGE: httpx.Response(404, json={})}),
                (("credentials", "merge_fields: HTTP 404: no such audience: correct vars.list"),),
            ),
        ),
    ),
    Look(
        "sfmc",
        {
            _SFMC: {
                "count": 1,
                "page": 1,
                "pageSize": 50,
                "items": [{"eventDefinitionKey": "APIEvent-nps-reassurance"}],
            }
        },
        (
            Wrong(
                "no event",
                _drop(_SFMC, "items", "APIEvent-nps-reassurance", "eventDefinitionKey"),
                (("event_missing", "event APIEvent-nps-reassurance is not there"),),
            ),
            Wrong(
                "maybe on the next page",
                lambda there: there[_SFMC].update(items=[{"eventDefinitionKey": "x"}] * 50),
                (),
            ),
            Wrong(
                "no scope",
                lambda there: there.update({_SFMC: httpx.Response(403, json={})}),
                (
                    (
                        "unreadable",
                        "definitions: HTTP 403: the API integration may not look at journeys",
                    ),
                ),
            ),
        ),
    ),
    Look(
        "activecampaign",
        {
            _AC: {
                "fieldOptions": [],
                "fields": [
                    {"id": "1", "title": "NPS", "type": "text"},
                    {"id": "2", "title": "Band", "type": "dropdown"},
                    {"id": "3", "title": "Band before", "type": "text"},
                    {"id": "4", "title": "Answered", "type": "date"},
                    {"id": "5", "title": "First name", "type": "text"},
                    {"id": "99", "title": "Delivery", "type": "text"},
                ],
            },
            _AC_RUNS: {"automations": [{"id": "42", "name": "Reassurance", "status": "1"}]},
        },
        (
            Wrong(
                "no field",
                _drop(_AC, "fields", "1", "id"),
                (("field_missing", "1 (for nps_score) is not there"),),
            ),
            Wrong(
                "no field for the delivery id",
                _drop(_AC, "fields", "99", "id"),
                (("field_missing", "99, which our requests write, is not there"),),
            ),
            Wrong(
                "a date for a number",
                _set(_AC, "fields", "1", "id", type="date"),
                (("field_type", "1 is date, nps_score is written as number"),),
            ),
            Wrong(
                "no automation",
                _drop(_AC_RUNS, "automations", "42", "id"),
                (("event_missing", "event 42 is not there"),),
            ),
            Wrong(
                "maybe on the next page",
                lambda there: there[_AC].update(
                    fields=[{"id": str(n), "type": "text"} for n in range(1000, 1100)]
                ),
                (),
            ),
        ),
        httpx.Response(403, json={}),
    ),
    Look(
        "iterable",
        {
            _ITERABLE: {
                "fields": {
                    "email": "string",
                    "npsScore": "long",
                    "npsSegment": "string",
                    "npsAnsweredAt": "date",
                }
            }
        },
        (
            Wrong(
                "made by the first write",
                lambda there: there[_ITERABLE]["fields"].pop("npsScore"),
                (),
            ),
            Wrong(
                "another type",
                lambda there: there[_ITERABLE]["fields"].update(npsScore="string"),
                (("field_type", "npsScore is string, nps_score is written as number"),),
            ),
        ),
    ),
    Look(
        "twilio",
        {
            _TWILIO: {"sid": "MG00000000000000000000000000000003", "friendly_name": "NPS"},
            _TWILIO_TEXTS: {
                "meta": {"next_page_url": None},
                "contents": [{"sid": "HX00000000000000000000000000000004"}],
            },
        },
        (
            Wrong(
                "no template",
                lambda there: there[_TWILIO_TEXTS].update(contents=[]),
                (("template_missing", "template HX00000000000000000000000000000004 is not there"),),
            ),
            Wrong(
                "no service",
                lambda there: there.update({_TWILIO: httpx.Response(404, json={"code": 20404})}),
                (
                    (
                        "credentials",
                        "service: HTTP 404: no such messaging service: correct vars.service",
                    ),
                ),
            ),
            Wrong(
                "test credentials",
                lambda there: there.update(
                    {path: httpx.Response(403, json={"code": 20008}) for path in there}
                ),
                (
                    (
                        "unreadable",
                        "service: HTTP 403: the key may not look at services or templates",
                    ),
                    (
                        "unreadable",
                        "templates: HTTP 403: the key may not look at services or templates",
                    ),
                ),
            ),
        ),
        httpx.Response(401, json={"code": 20003}),
    ),
    Look("freshdesk", {"/api/v2/agents/me": {"id": 1, "available": True}}),
    Look(
        "hubspot_ticket",
        {
            _HUBSPOT_TICKETS: {
                "results": [
                    {"name": name}
                    for name in (
                        *("nps_delivery_id", "subject", "content"),
                        *("hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority"),
                    )
                ]
            }
        },
        (
            Wrong(
                "no property for the delivery id",
                _drop(_HUBSPOT_TICKETS, "results", "nps_delivery_id", "name"),
                (("field_missing", "nps_delivery_id, which our requests write, is not there"),),
            ),
        ),
    ),
    Look(
        "jira_service_management",
        {
            _JIRA: {
                "canRaiseOnBehalfOf": True,
                "requestTypeFields": [
                    {"fieldId": "summary", "required": True},
                    {"fieldId": "description", "required": False},
                ],
            }
        },
        (
            Wrong(
                "not on the form",
                _drop(_JIRA, "requestTypeFields", "description", "fieldId"),
                (("field_missing", "description, which our requests write, is not there"),),
            ),
        ),
    ),
    Look(
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
                _drop(_CASE, "fields", "NPS_Delivery_Id__c", "name"),
                (("field_missing", "NPS_Delivery_Id__c, which our requests write, is not there"),),
            ),
            Wrong(
                "no Cases",
                lambda there: there.update({_CASE: httpx.Response(404, json=[])}),
                (("credentials", "describe: HTTP 404: the app's user does not see Cases"),),
            ),
        ),
        httpx.Response(401, json=[{"errorCode": "INVALID_SESSION_ID"}]),
    ),
    Look(
        "formbricks",
        {
            _FORMBRICKS: {
                "data": [
                    {"key": "email", "type": "default", "dataType": "string"},
                    {"key": "npsScore", "type": "custom", "dataType": "number"},
                    {"key": "npsNextSurvey", "type": "custom", "dataType": "date"},
                ],
                "meta": {"total": 3, "limit": 100, "offset": 0},
            }
        },
        (
            Wrong("made by the first write", _drop(_FORMBRICKS, "data", "npsScore", "key"), ()),
            Wrong(
                "another type",
                _set(_FORMBRICKS, "data", "npsNextSurvey", "key", dataType="number"),
                (
                    (
                        "field_type",
                        "npsNextSurvey is number, nps_next_survey_at is written as moment",
                    ),
                ),
            ),
        ),
    ),
    Look("qualtrics", {"/API/v3/whoami": {"result": {"userId": "UR_1", "brandId": "example"}}}),
    Look(
        "slack_bot",
        {"/api/auth.test": {"ok": True, "team_id": "T0MADEUP", "user_id": "U0MADEUP"}},
        refused=httpx.Response(200, json={"ok": False, "error": "invalid_auth"}),
    ),
    Look(
        "adobe_campaign_v8",
        {
            _V8: {
                "content": {
                    "cusNpsScore": {"type": "number", "resType": "byte"},
                    "cusNpsSegment": {
                        "type": "enumeration",
                        "values": {"detractor": {}, "passive": {}, "promoter": {}},
                    },
                    "cusNpsPreviousSegment": {"type": "string"},
                    "cusNpsTheme": {"type": "string"},
                    "cusNpsDate": {"type": "datetime"},
                    "firstName": {"type": "string"},
                }
            }
        },
        (
            Wrong(
                "no field",
                lambda there: there[_V8]["content"].pop("cusNpsDate"),
                (("field_missing", "cusNpsDate (for nps_answered_at) is not there"),),
            ),
            Wrong(
                "another type",
                lambda there: there[_V8]["content"]["cusNpsScore"].update(type="string"),
                (("field_type", "cusNpsScore is string, nps_score is written as number"),),
            ),
            Wrong(
                "no value",
                lambda there: there[_V8]["content"]["cusNpsSegment"]["values"].pop("passive"),
                (("value_missing", "cusNpsSegment has no value passive (for nps_segment)"),),
            ),
        ),
    ),
    Look(
        "adobe_journey_optimizer",
        {
            _AJO: {
                "type": "object",
                "properties": {
                    "_example": {
                        "type": "object",
                        "properties": {
                            "nps": {
                                "type": "object",
                                "properties": {
                                    "score": {"type": "integer"},
                                    "segment": {
                                        "type": "string",
                                        "enum": ["detractor", "passive", "promoter"],
                                    },
                                    "previousSegment": {"type": "string"},
                                    "answeredAt": {"type": "string", "format": "date-time"},
                                    "firstName": {"type": "string"},
                                },
                            }
                        },
                    }
                },
            }
        },
        (
            Wrong(
                "no field",
                lambda there: _ajo(there).pop("firstName"),
                (("field_missing", "firstName (for first_name) is not there"),),
            ),
            Wrong(
                "another type",
                lambda there: _ajo(there)["score"].update(type="string"),
                (("field_type", "score is string, nps_score is written as number"),),
            ),
            Wrong(
                "no value",
                lambda there: _ajo(there)["segment"].update(enum=["detractor", "passive"]),
                (("value_missing", "segment has no value promoter (for nps_segment)"),),
            ),
            Wrong(
                "another tenant",
                lambda there: there[_AJO]["properties"].pop("_example"),
                (
                    (
                        "unreadable",
                        "schema: no $.properties._example.properties.nps.properties",
                    ),
                ),
            ),
            Wrong(
                "no right",
                lambda there: there.update({_AJO: httpx.Response(403, json={})}),
                (("unreadable", "schema: HTTP 403: the credential may not look at schemas"),),
            ),
        ),
    ),
)
