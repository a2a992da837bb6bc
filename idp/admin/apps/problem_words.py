"""What is wrong with a registration, in the language of whoever reads the page? Programs and commands keep English.

The same problems are told by REST and at a prompt, in the English of `errors.Problem`; here is a sentence for each code.
Names of fields, scopes and values of the protocol stay as they are: they are what the developer of the app will say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_babel import LazyString, gettext, lazy_gettext

from idp.errors import Problem

_ = lazy_gettext

WORDS: dict[str, LazyString] = {
    "not_text": _("moet tekst zijn"),
    "too_long": _("is langer dan %(most)s tekens"),
    "unseen_character": _("bevat een teken dat niemand ziet"),
    "not_one_of": _("moet een van deze zijn: %(words)s"),
    "not_some_of": _("moet een lijst zijn met een of meer van: %(words)s"),
    "not_yes_or_no": _("moet true of false zijn"),
    "not_a_number": _("moet een geheel getal zijn van %(least)s tot %(most)s"),
    "no_list_of_addresses": _("moet een lijst van hoogstens %(most)s adressen zijn"),
    "in_list": _("nummer %(number)s: %(problem)s"),
    "twice": _("staat er twee keer"),
    "no_address": _("moet een adres zijn, zoals https://app.example/pad"),
    "address_character": _(
        "bevat een spatie, een backslash of een ander teken dat in een adres met een procentteken geschreven wordt"
    ),
    "address_wildcard": _("bevat een jokerteken (*): registreer elk adres voluit"),
    "address_not_full": _("moet een volledig adres zijn, zoals https://app.example/pad"),
    "address_scheme": _("moet beginnen met https://"),
    "address_fragment": _("heeft een fragment (wat na # komt): laat het weg"),
    "address_dots": _("heeft . of .. als stap in het pad: schrijf het pad waar dat heen leidt"),
    "address_http": _("moet beginnen met https:// (http kan alleen op deze machine, zoals http://localhost)"),
    "address_user": _("heeft een gebruikersnaam voor de host (@): laat die weg"),
    "address_authority": _("heeft een host of een poort die niet te lezen is"),
    "address_port": _("heeft een poort die niet tussen 1 en 65535 ligt"),
    "address_host": _("heeft een host die geen naam en geen nummer is"),
    "address_private": _("ligt binnen een netwerk: wij gaan alleen naar publieke adressen"),
    "odd_request_uri": _("is langer dan %(most)s tekens, of heeft een vreemd fragment"),
    "odd_client_id": _("moet 1 tot 100 letters, cijfers, punten, streepjes, lage streepjes of tildes zijn"),
    "client_id_frozen": _("ligt vast: dit is %(client_id)s"),
    "frozen": _("ligt vast op %(value)s: met iets anders zou elke sub veranderen"),
    "scope_not_text": _("moet tekst zijn: scopes met een spatie ertussen"),
    "no_scope_but_near": _("%(scope)s is geen scope; bedoel je %(near)s?"),
    "no_scope": _("%(scope)s is geen scope; er zijn: %(known)s"),
    "not_a_date": _("moet een datum zijn, zoals 2027-06-30"),
    "date_too_far": _("ligt meer dan twee jaar ver: een uitzondering eindigt vroeger"),
    "date_to_come": _("ligt in de toekomst: het is de dag waarop iets getekend werd"),
    "not_a_key_set": _('moet een sleutelset zijn, {"keys": […]}, met 1 tot 10 publieke sleutels'),
    "keys_without_kid": _("bij meer dan één sleutel heeft elke sleutel een eigen kid nodig"),
    "key_kind": _("sleutel %(number)s moet een RSA-, EC- of OKP-sleutel zijn"),
    "key_private": _("sleutel %(number)s is geheim: geef de publieke helft, en maak een nieuw paar"),
    "key_unreadable": _("sleutel %(number)s is niet te lezen"),
    "key_not_for_signing": _("sleutel %(number)s dient niet om te ondertekenen met een van: %(words)s"),
    "key_curve": _("sleutel %(number)s moet op een van deze krommen liggen: %(words)s"),
    "key_bits": _("sleutel %(number)s moet 2048 tot 8192 bits hebben"),
    "no_key_here": _("heeft hier geen sleutel: er zijn sleutels voor %(words)s"),
    "no_reasons": _("moet claims noemen, elk met waarom de app die nodig heeft"),
    "no_claim_but_near": _("%(claim)s is geen claim; bedoel je %(near)s?"),
    "no_claim": _("%(claim)s is geen claim"),
    "odd_sector": _("moet een host in kleine letters zijn, zoals app.example"),
    "made_by_us": _("maken wij: laat het weg"),
    "no_field_but_near": _("zo'n veld is er niet; bedoel je %(near)s?"),
    "no_field": _("zo'n veld is er niet"),
    "name_missing": _("ontbreekt: de naam die leerlingen en scholen zien"),
    "redirect_missing": _("ontbreekt: waar de app het antwoord ontvangt"),
    "openid_missing": _("moet openid bevatten"),
    "refresh_alone": _("refresh_token kan alleen naast authorization_code"),
    "offline_without_refresh": _(
        "de scope offline_access geeft refresh tokens: voeg refresh_token toe, of laat de scope weg"
    ),
    "pupils_without_code": _("scopes over leerlingen hebben het grant type authorization_code nodig"),
    "lists_without_credentials": _("scopes voor de app zelf hebben het grant type client_credentials nodig"),
    "credentials_in_public": _("client_credentials is alleen voor een app die een geheim kan bewaren"),
    "keys_missing": _(
        "ontbreekt: private_key_jwt heeft de publieke sleutels van de app nodig, hier of op een jwks_uri"
    ),
    "keys_missing_for_requests": _(
        "ontbreekt: ondertekende aanvragen hebben de publieke sleutels van de app nodig, hier of op een jwks_uri"
    ),
    "no_key_for": _("%(alg)s: geen van de sleutels in jwks ondertekent daarmee"),
    "keys_twice": _("kan niet samen met jwks: de sleutels staan op één plaats"),
    "always_pkce": _("een app zonder geheim gebruikt altijd PKCE"),
    "goes_with": _("hoort bij %(name)s"),
    "half_a_protocol": _(
        "ontbreekt: bij een protocol van de leverancier horen een verwijzing en de dag waarop het getekend werd"
    ),
    "protocol_missing": _(
        "ontbreekt: voor %(scopes)s is een protocol van de leverancier nodig, en in supplier_protocol_signed de dag ervan"
    ),
    "sector_elsewhere": _("is niet de host van sector_identifier_uri (%(host)s)"),
    "sector_missing": _(
        "ontbreekt: redirect_uris staan op meer dan één host (%(hosts)s). Zeg in wiens naam de app een leerling kent, "
        "zoals https://app.example/redirect_uris.json"
    ),
    "document_unread": _("kan niet gelezen worden: %(because)s"),
    "document_no_list": _("leidt niet naar een JSON-lijst van adressen"),
    "not_in_document": _("staan niet allemaal op sector_identifier_uri"),
    "secret_unused": _("een app die zich zonder geheim aanmeldt, heeft er geen"),
    "secret_not_ascii": _("moet tekst van zichtbare ASCII-tekens zijn"),
    "secret_length": _("moet %(least)s tot %(most)s tekens hebben"),
    "twice_in_file": _("staat twee keer in deze lijst"),
    "no_object": _("moet een JSON-object zijn"),
    "no_supplier": _("deze leverancier kennen we niet: kies er een uit de lijst van leveranciers"),
}
"""Behind the name of the field, without a capital or a full stop."""


def told(problem: str) -> str:
    """One of them, in the language of the page. What has no code of ours stays as it is."""
    if not isinstance(problem, Problem) or problem.code not in WORDS:
        return str(problem)
    words = {name: told(word) if isinstance(word, Problem) else word for name, word in problem.words.items()}
    said = str(WORDS[problem.code])
    return said % words if words else said


def all_told(problems: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The same of a whole registration, by field."""
    return {name: [told(one) for one in found] for name, found in problems.items()}


def in_file(problems: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """The same of a file of registrations, one line for each problem."""
    return [
        gettext("%(app)s, %(field)s: %(problem)s", app=which, field=name, problem=said)
        for which, found in problems.items()
        for name, told_ in all_told(found).items()
        for said in told_
    ]
