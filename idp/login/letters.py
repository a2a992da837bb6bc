"""What do our mails say? A few plain sentences in the pupil's language, with one link at most, and nobody's name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from babel.support import NullTranslations, Translations

from idp.config import Settings
from idp.models import LetterKind

LOCALES = Path(__file__).resolve().parent.parent / "locales"


def _(text: str) -> str:
    """For the translators: the text itself, in Dutch."""
    return text


@dataclass(frozen=True, kw_only=True)
class Words:
    """The sentences of one kind of mail."""

    subject: str
    before: tuple[str, ...]
    link: str = ""
    """What stands on the link; empty: no link."""
    after: tuple[str, ...] = ()


_NOT_ME = _("Was jij dit niet? Vraag dan meteen hulp aan je school.")
_LETTERS = {
    LetterKind.CONFIRM: Words(
        subject=_("Is dit jouw e-mailadres?"),
        before=(
            _("Dit e-mailadres werd opgegeven bij %(brand)s."),
            _("Klopt dat? Open dan deze pagina en druk op de knop:"),
        ),
        link=_("Ja, dit is mijn e-mailadres"),
        after=(
            _("De link werkt %(hours)s uur lang, één keer."),
            _("Was jij dit niet? Dan hoef je niets te doen."),
        ),
    ),
    LetterKind.RESET: Words(
        subject=_("Kies een nieuw wachtwoord"),
        before=(
            _("Iemand vroeg een nieuw wachtwoord voor jouw account bij %(brand)s."),
            _("Was jij dat? Kies het dan op deze pagina:"),
        ),
        link=_("Kies een nieuw wachtwoord"),
        after=(
            _("De link werkt %(minutes)s minuten lang, één keer."),
            _("Was jij dit niet? Dan hoef je niets te doen: je wachtwoord blijft zoals het is."),
        ),
    ),
    LetterKind.ADDRESS_CHANGED: Words(
        subject=_("Je e-mailadres is veranderd"),
        before=(_("Dit e-mailadres hoort niet meer bij je account bij %(brand)s."), _NOT_ME),
    ),
    LetterKind.PASSWORD_CHANGED: Words(
        subject=_("Je wachtwoord is veranderd"),
        before=(_("Het wachtwoord van je account bij %(brand)s is veranderd."), _NOT_ME),
    ),
}


def write(
    settings: Settings,
    kind: LetterKind,
    *,
    to: str,
    language: str,
    letter_id: str,
    now: datetime,
    link: str | None = None,
) -> EmailMessage:
    """The mail, as text and as simple HTML. Raises ValueError for an address that is none."""
    words, say = _LETTERS[kind], _translations(language)
    gaps = {
        "brand": settings.brand,
        "hours": settings.mail_confirm_hours,
        "minutes": settings.mail_reset_minutes,
    }

    def said(text: str) -> str:
        return say.gettext(text) % gaps

    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(display_name=_one_line(settings.brand), addr_spec=settings.sender)
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = said(words.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{letter_id}@{urlsplit(settings.issuer).hostname}>"
    mail["Content-Language"] = language
    mail["Auto-Submitted"] = "auto-generated"
    before, after = [said(text) for text in words.before], [said(text) for text in words.after]
    mail.set_content("\n\n".join([*before, *([link] if link else []), *after, settings.brand]) + "\n")
    mail.add_alternative(
        _html(settings, language, before, (link, said(words.link)) if link else None, after), "html"
    )
    return mail


def _html(
    settings: Settings, language: str, before: list[str], link: tuple[str, str] | None, after: list[str]
) -> str:
    def paragraphs(texts: list[str]) -> str:
        return "".join(f"<p>{escape(text)}</p>" for text in texts)

    button = f'<p><a href="{escape(link[0])}"><strong>{escape(link[1])}</strong></a></p>' if link else ""
    return (
        f'<!doctype html><html lang="{escape(language)}"><body style="font:17px/1.5 sans-serif;max-width:34em">'
        f"{paragraphs(before)}{button}{paragraphs(after)}<p>{escape(settings.brand)}</p></body></html>\n"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


@cache
def _translations(language: str) -> NullTranslations:
    return NullTranslations() if language == "nl" else Translations.load(str(LOCALES), [language])
