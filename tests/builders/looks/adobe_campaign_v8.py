"""Campaign v8: the description of the profile resource."""

from typing import Final

from tests.builders.looks import Look, Wrong

_V8: Final = "/example-v8/campaign/profileAndServicesExt/resourceType/profile"

LOOK = Look(
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
)
