"""JSON Schemas of what the export writes, after the published field lists:
OCSF 1.3 (schema.ocsf.io: API Activity, Authentication and their objects), ECS
9 (elastic.co/docs/reference/ecs) with OpenTelemetry's vcs.*, and the members of
GitHub's audit log stream. What a list does not have may not be there."""

TEXT = {"type": "string", "minLength": 1}
MS = {"type": "integer", "minimum": 10**12}
IP = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
ANY = {"type": "object"}  # the entry itself


def closed(required, **members):
    return {"type": "object", "required": required, "properties": members, "additionalProperties": False}


def some(**members):
    return {**closed([], **members), "minProperties": 1}


def codes(id, name, table):
    """An id of a table and, beside it, that id's caption; 99 has a free one."""
    fit = [{"properties": {id: {"const": k}, name: {"const": v} if v else TEXT}} for k, v in table.items()]
    return {"anyOf": fit}


# -- OCSF --

USER = some(name=TEXT, uid=TEXT, domain=TEXT)
OCSF_MEMBERS = {
    "activity_id": {"type": "integer"},
    "activity_name": TEXT,
    "category_uid": {"type": "integer"},
    "category_name": TEXT,
    "class_uid": {"type": "integer"},
    "class_name": TEXT,
    "type_uid": {"type": "integer"},
    "severity_id": {"type": "integer"},
    "severity": TEXT,
    "status_id": {"type": "integer"},
    "status": TEXT,
    "status_detail": TEXT,
    "time": MS,
    "metadata": closed(
        ["version", "product"],
        version={"const": "1.3.0"},
        product=closed(["name", "vendor_name"], name=TEXT, vendor_name=TEXT, version=TEXT),
        event_code=TEXT,
        uid=TEXT,
        sequence={"type": "integer", "minimum": 0},
        logged_time=MS,
        correlation_uid=TEXT,
        profiles={"type": "array", "items": {"enum": ["security_control"]}},
    ),
    "src_endpoint": some(ip=IP, name=TEXT),
    "unmapped": closed(["gitgate"], gitgate=ANY),
}
OCSF_BASE = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"]
OCSF_CODES = [
    codes("severity_id", "severity", {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical", 6: "Fatal"}),
    codes("status_id", "status", {0: "Unknown", 1: "Success", 2: "Failure"}),
]
DISPOSITIONS = {1: "Allowed", 2: "Blocked", 3: "Quarantined", 8: "Approved", 25: "Rejected"}

API_ACTIVITY = {
    **closed(
        [*OCSF_BASE, "actor", "api", "src_endpoint"],
        **OCSF_MEMBERS,
        actor=closed(["user"], user=USER),
        api=closed(
            ["operation"],
            operation=TEXT,
            service=some(name=TEXT),
            request=closed(["uid"], uid=TEXT),
        ),
        http_request=some(user_agent=TEXT),
        resources={"type": "array", "minItems": 1, "items": some(name=TEXT, type=TEXT, data=ANY)},
        action_id={"enum": [1, 2]},
        action=TEXT,
        disposition_id={"enum": list(DISPOSITIONS)},
        disposition=TEXT,
    ),
    "allOf": [
        *OCSF_CODES,
        codes("activity_id", "activity_name", {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: None}),
        {"properties": {"class_uid": {"const": 6003}, "category_uid": {"const": 6}, "class_name": {"const": "API Activity"}}},
        {"anyOf": [{"properties": {"activity_id": {"const": i}, "type_uid": {"const": 600300 + i}}} for i in (1, 2, 3, 4, 99)]},
        # the profile's attributes, and its name, are there together
        {
            "if": {"required": ["action_id"]},
            "then": {
                "required": ["action", "disposition_id", "disposition"],
                "properties": {"metadata": {"required": ["profiles"]}},
                "allOf": [codes("action_id", "action", {1: "Allowed", 2: "Denied"}), codes("disposition_id", "disposition", DISPOSITIONS)],
            },
            "else": {
                "not": {"anyOf": [{"required": [k]} for k in ("action", "disposition_id", "disposition")]},
                "properties": {"metadata": {"not": {"required": ["profiles"]}}},
            },
        },
    ],
}
AUTHENTICATION = {
    **closed([*OCSF_BASE, "user"], **OCSF_MEMBERS, user=USER, service=closed(["name"], name=TEXT)),
    "anyOf": [{"required": ["service"]}, {"required": ["dst_endpoint"]}],
    "allOf": [
        *OCSF_CODES,
        codes("activity_id", "activity_name", {1: "Logon", 2: "Logoff"}),
        {"properties": {"class_uid": {"const": 3002}, "category_uid": {"const": 3}, "class_name": {"const": "Authentication"}}},
        {"anyOf": [{"properties": {"activity_id": {"const": i}, "type_uid": {"const": 300200 + i}}} for i in (1, 2)]},
    ],
}
OCSF = {
    "if": {"properties": {"class_uid": {"const": 3002}}},
    "then": AUTHENTICATION,
    "else": API_ACTIVITY,
}

# -- ECS --

ECS_TYPES = {  # event.category: the words of event.type that go with it
    "api": ["access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"],
    "authentication": ["start", "end", "info"],
    "configuration": ["access", "change", "creation", "deletion", "info"],
    "iam": ["admin", "change", "creation", "deletion", "group", "info", "user"],
}
ECS = {
    **closed(
        ["@timestamp", "ecs", "event"],
        **{"@timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}},
        ecs=closed(["version"], version={"const": "9.0.0"}),
        event=closed(
            ["kind", "category", "type", "outcome", "action"],
            kind={"enum": ["event", "alert"]},
            category={"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": list(ECS_TYPES)}},
            type={"type": "array", "minItems": 1, "uniqueItems": True, "items": TEXT},
            outcome={"enum": ["success", "failure", "unknown"]},
            action=TEXT,
            module=TEXT,
            dataset={"type": "string", "pattern": "^gitgate[.]"},
            id=TEXT,
            sequence={"type": "integer", "minimum": 0},
            reason=TEXT,
        ),
        observer=closed([], vendor=TEXT, product=TEXT, type=TEXT),
        user=some(name=TEXT, id=TEXT, domain=TEXT),
        source=closed(["ip"], ip=IP),
        user_agent=closed(["original"], original=TEXT),
        rule=some(name=TEXT, ruleset=TEXT),
        vcs=closed(
            ["repository", "ref"],
            repository=closed(["name"], name=TEXT),
            owner=closed(["name"], name=TEXT),
            ref=closed(
                [],
                head=closed([], name=TEXT, revision=TEXT, type={"enum": ["branch", "tag"]}),
                base=closed([], revision=TEXT),
            ),
        ),
        gitgate=ANY,
    ),
    "anyOf": [
        {"properties": {"event": {"properties": {"category": {"const": [c]}, "type": {"items": {"enum": words}}}}}}
        for c, words in ECS_TYPES.items()
    ],
}

# -- GitHub --

GITHUB = {
    **closed(
        ["@timestamp", "created_at", "_document_id", "action"],
        **{"@timestamp": MS},
        created_at=MS,
        _document_id=TEXT,
        action={"type": "string", "pattern": r"^[a-z]+(\.[a-z_-]+)*$"},
        actor=TEXT,
        actor_ip=IP,
        user_agent=TEXT,
        repo=TEXT,
        repository=TEXT,
        org=TEXT,
        transport_protocol={"const": 1},
        transport_protocol_name={"const": "http"},
        external_identity_nameid=TEXT,
    ),
    "patternProperties": {"^gitgate_[a-z]+$": TEXT},
}
SCHEMAS = {"ocsf": OCSF, "ecs": ECS, "github": GITHUB}
