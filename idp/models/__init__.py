"""What do we keep? Every table, as a document: schools and pupils, accounts, agreements, apps, tokens, traces.

Moments are aware UTC, days are Brussels days (both ends included), identifiers that outsiders see are random
UUIDs, and secrets are digests or hashes. A table never holds what its retention line in `docs/retention.md`
does not name.
"""

from __future__ import annotations

from idp.models import walls
from idp.models.accounts import (
    Account,
    AccountType,
    Card,
    Marker,
    RetiredUsername,
    SecretKind,
    Session,
    Support,
    Throttle,
    WrongSecret,
)
from idp.models.apps import App, AppLogo, AppPupil, AppSecret, RegistryVersion, RuleKind, VisibilityRule
from idp.models.base import DIGEST, ID, SCHOOL, Base, Moment
from idp.models.deliveries import FeedClient, FeedSecret, HeldPart
from idp.models.devices import ClassDevice, DeviceCode, DeviceKind
from idp.models.errands import ErrandState, JobRecord, Lease, LogoutDelivery
from idp.models.help import (
    AccountEmail,
    HelpCode,
    Letter,
    LetterKind,
    LinkKind,
    MailLink,
    RightScope,
)
from idp.models.paperwork import Paperwork, PaperworkKind
from idp.models.people import Agreement, Person, ProtocolText, Right, RightKind
from idp.models.registry import (
    AppChange,
    AppRequest,
    AppVersion,
    OperatorToken,
    RequestState,
    Supplier,
)
from idp.models.rosters import RosterEntry, RosterKind, RosterStock
from idp.models.schools import (
    ClassMembership,
    Delivery,
    DeliveryState,
    Enrolment,
    Klas,
    Pupil,
    School,
    SchoolKind,
    Soort,
    is_closed,
)
from idp.models.self_registration import InitialAccessToken, SelfRegistration
from idp.models.staff import (
    Passkey,
    RecoveryCode,
    StaffAccount,
    StaffLink,
    StaffSession,
    UsedChallenge,
)
from idp.models.tokens import (
    AccessToken,
    AuthorizationCode,
    Grant,
    PushedRequest,
    RefreshToken,
    SigningKey,
    UsedAssertion,
)
from idp.models.traces import Anchor, AuditEvent, Patrol, Release, Seal, SealedRows, Turn

__all__ = [
    "DIGEST",
    "ID",
    "SCHOOL",
    "AccessToken",
    "Account",
    "AccountEmail",
    "AccountType",
    "Agreement",
    "Anchor",
    "App",
    "AppChange",
    "AppLogo",
    "AppPupil",
    "AppRequest",
    "AppSecret",
    "AppVersion",
    "AuditEvent",
    "AuthorizationCode",
    "Base",
    "Card",
    "ClassDevice",
    "ClassMembership",
    "Delivery",
    "DeliveryState",
    "DeviceCode",
    "DeviceKind",
    "Enrolment",
    "ErrandState",
    "FeedClient",
    "FeedSecret",
    "Grant",
    "HeldPart",
    "HelpCode",
    "InitialAccessToken",
    "JobRecord",
    "Klas",
    "Lease",
    "Letter",
    "LetterKind",
    "LinkKind",
    "LogoutDelivery",
    "MailLink",
    "Marker",
    "Moment",
    "OperatorToken",
    "Paperwork",
    "PaperworkKind",
    "Passkey",
    "Patrol",
    "Person",
    "ProtocolText",
    "Pupil",
    "PushedRequest",
    "RecoveryCode",
    "RefreshToken",
    "RegistryVersion",
    "Release",
    "RequestState",
    "RetiredUsername",
    "Right",
    "RightKind",
    "RightScope",
    "RosterEntry",
    "RosterKind",
    "RosterStock",
    "RuleKind",
    "School",
    "SchoolKind",
    "Seal",
    "SealedRows",
    "SecretKind",
    "SelfRegistration",
    "Session",
    "SigningKey",
    "Soort",
    "StaffAccount",
    "StaffLink",
    "StaffSession",
    "Supplier",
    "Support",
    "Throttle",
    "Turn",
    "UsedAssertion",
    "UsedChallenge",
    "VisibilityRule",
    "WrongSecret",
    "is_closed",
    "walls",
]
