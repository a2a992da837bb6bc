"""Which sentence does a person read for a code? Each in their own language; never blame, always a next step."""

from __future__ import annotations

from flask_babel import LazyString, lazy_gettext

_ = lazy_gettext

_SENTENCES: dict[str, tuple[LazyString, LazyString]] = {
    "not_found": (_("Deze pagina bestaat niet."), _("Kijk of het adres klopt, of ga terug.")),
    "bad_request": (_("Dat lukte niet."), _("Ga terug en probeer opnieuw.")),
    "too_large": (_("Dat is te groot om te versturen."), _("Ga terug en probeer opnieuw.")),
    "hold_gone": (
        _("Deze levering wacht niet meer."),
        _("Iemand besliste al, of er kwam een nieuwere. Bekijk de lijst opnieuw."),
    ),
    "trouble_unknown": (
        _("Dit staat niet (meer) bij wat er geraakt is."),
        _("Misschien is het weer zoals het was. Bekijk de lijst opnieuw."),
    ),
    "acknowledgement_unknown": (
        _("Dit is niet (meer) gekend."),
        _("Misschien nam iemand het al terug. Bekijk de lijst opnieuw."),
    ),
    "acknowledgement_needs_reason": (
        _("Schrijf in 10 tot 500 tekens wat het is, en wie het nakeek."),
        _("Zet er geen namen van leerlingen bij."),
    ),
    "page_expired": (_("Deze pagina was te lang open."), _("Begin opnieuw: je bent zo weer verder.")),
    "broken": (_("Er ging iets stuk bij ons."), _("Probeer het straks opnieuw.")),
    "database_away": (_("Er ging iets stuk bij ons."), _("Probeer het straks opnieuw.")),
    "hash_queue_full": (_("Het is even heel druk."), _("Wacht even. Deze pagina probeert het opnieuw.")),
    "hash_wait_too_long": (_("Het is even heel druk."), _("Wacht even. Deze pagina probeert het opnieuw.")),
    "sign_in_required": (_("Meld je eerst aan."), _("Begin bij je app of bij je eigen pagina.")),
    "no_app_like_this": (
        _("Geen app heet zo, of heeft dit id."),
        _("Typ een deel van de naam, of kijk in de lijst van apps."),
    ),
    "app_unknown": (_("Deze app kennen we niet."), _("Ga terug naar je app, of vraag hulp aan je school.")),
    "pupil_unknown": (
        _("Deze leerling vinden we niet."),
        _("Geef een gebruikersnaam, een stamnummer of een UUID."),
    ),
    "pupil_ambiguous": (
        _("Dit stamnummer bestaat in meer dan één school."),
        _("Geef ook het instellingsnummer."),
    ),
    "school_unknown": (_("Deze school kennen we niet."), _("Geef het instellingsnummer: zes cijfers.")),
    "period_unclear": (_("Deze periode klopt niet."), _("Geef een eerste en een laatste dag.")),
    "breach_too_wide": (
        _("Dit is te veel voor één verslag."),
        _("Vraag het per school, per app, of voor kortere periodes."),
    ),
    "breach_of_both": (
        _("Kies een app of een personeelslid, niet allebei."),
        _("Wat een app te weten kwam, deed geen personeelslid. Vraag het in twee keer."),
    ),
    "person_unknown": (
        _("Dit personeelslid kennen we niet."),
        _("Neem de person_id over uit de lijst van rechten of uit het auditspoor."),
    ),
    "explain_whom": (_("Over wie?"), _("Geef een leerling, een school, of allebei.")),
    "app_disabled": (_("Deze app is even gesloten."), _("Vraag hulp aan je school.")),
    "too_many_requests": (_("Het is even heel druk."), _("Wacht een paar minuten.")),
    "request_gone": (
        _("Deze aanmelding is voorbij."),
        _("Ga terug naar je app en begin daar opnieuw."),
    ),
    "address_unknown": (
        _("Deze app stuurde ons een adres dat we niet kennen."),
        _("Ga terug naar je app, of vraag hulp aan je school."),
    ),
    "sign_out_unclear": (_("We weten niet zeker wie zich wil afmelden."), _("Meld je hier zelf af.")),
    "password_too_short": (_("Dit wachtwoord is te kort."), _("Neem minstens 8 tekens.")),
    "password_too_long": (_("Dit wachtwoord is te lang."), _("Neem er hoogstens 128 tekens voor.")),
    "password_too_common": (_("Dit wachtwoord kiest iedereen."), _("Bedenk er een dat alleen jij kent.")),
    "password_is_a_name": (
        _("In dit wachtwoord zit je naam of je school."),
        _("Bedenk er een dat niemand kan raden."),
    ),
    "password_is_the_old_one": (
        _("Dit is het tijdelijke wachtwoord."),
        _("Bedenk er een dat alleen jij kent."),
    ),
    "password_wrong": (_("Je wachtwoord van nu klopt niet."), _("Probeer nog eens.")),
    "password_expired": (
        _("Dit tijdelijke wachtwoord is te oud."),
        _("Je school kan je een nieuw geven. Vraag het aan je leerkracht."),
    ),
    "too_many_tries": (_("Je probeerde het te vaak."), _("Wacht een paar minuten.")),
    "password_rests": (_("Met dit wachtwoord lukt het niet meer."), _("Vraag een nieuw aan je school.")),
    "staff_password_too_short": (_("Dit wachtwoord is te kort."), _("Neem minstens 15 tekens.")),
    "staff_sign_in_wrong": (
        _("Deze gegevens kloppen niet."),
        _("Controleer wat je intikte en probeer opnieuw."),
    ),
    "staff_code_wrong": (
        _("Deze code klopt niet, of werd al gebruikt."),
        _("Wacht op de volgende code en probeer opnieuw."),
    ),
    "staff_too_many_tries": (
        _("Er waren te veel pogingen."),
        _("Wacht even en probeer dan opnieuw, of gebruik je passkey."),
    ),
    "staff_start_anew": (
        _("Er waren te veel pogingen."),
        _("Wachten helpt hier niet: gebruik je passkey, of vraag een uitnodiging om opnieuw te beginnen."),
    ),
    "staff_passkey_wrong": (
        _("Met deze passkey lukte het niet."),
        _("Probeer opnieuw, of kies een andere manier."),
    ),
    "upstream_unreachable": (
        _("De aanmelddienst antwoordt niet."),
        _("Probeer het over enkele minuten opnieuw."),
    ),
    "upstream_stopped": (_("Je brak het aanmelden af."), _("Je kunt het meteen opnieuw proberen.")),
    "upstream_wrong": (
        _("Het aanmelden lukte niet."),
        _("Begin opnieuw. Lukt het dan niet, vraag het aan de helpdesk."),
    ),
    "staff_only_upstream": (
        _("Personeel meldt zich hier anders aan."),
        _("Ga naar de aanmeldpagina en kies daar de knop."),
    ),
    "staff_step_gone": (_("Je wachtte te lang."), _("Meld je opnieuw aan.")),
    "staff_unknown": (
        _("Je hebt hier nog geen account."),
        _("Vraag een LeerID-beheerder van je school of de helpdesk om je toegang te geven."),
    ),
    "staff_without_rights": (
        _("Je hebt hier op dit moment geen rechten."),
        _("Je recht is misschien afgelopen. Vraag het aan een LeerID-beheerder van je school."),
    ),
    "right_missing": (
        _("Voor deze pagina heb je geen recht."),
        _("Vraag het aan een LeerID-beheerder van je school."),
    ),
    "school_changed": (
        _("Je koos intussen een andere school."),
        _("Er is niets veranderd. Ga terug en kijk voor welke school je bezig bent."),
    ),
    "invitation_unknown": (
        _("Deze uitnodiging werkt niet meer."),
        _("Vraag een nieuwe aan wie je uitnodigde."),
    ),
    "right_unknown": (_("Dit recht bestaat hier niet (meer)."), _("Bekijk de lijst opnieuw.")),
    "right_for_oneself": (
        _("Je kunt je eigen rechten niet geven of stoppen."),
        _("Vraag het aan een andere LeerID-beheerder."),
    ),
    "dates_reversed": (_("Deze einddatum is voorbij."), _("Kies een dag vanaf vandaag.")),
    "appointment_incomplete": (
        _("Zo kan het niet bewaard worden."),
        _("Bij elk veld staat wat er mis is."),
    ),
    "e_mail_shared": (
        _("Dit e-mailadres hoort bij meer dan één persoon."),
        _("Vraag de helpdesk om het recht te geven."),
    ),
    "invitation_by_operator": (
        _("Deze persoon kun je niet zelf uitnodigen."),
        _("Die heeft al een account, of ook andere rechten. Vraag een uitnodiging aan de helpdesk."),
    ),
    "operator_begins_anew": (
        _("Deze persoon kan zich al aanmelden, en begint als operator opnieuw."),
        _("Neem eerst de oude manieren weg met idp staff forget. Geef dan het recht, en nodig uit."),
    ),
    "last_factor": (
        _("Dit is je laatste manier om je aan te melden."),
        _("Voeg eerst een andere toe."),
    ),
    "help_not_allowed": (
        _("Deze leerling kun je hier niet helpen."),
        _("Kijk of de leerling aan deze school zit, of vraag het de LeerID-beheerder."),
    ),
    "card_alone_not_read": (
        _("Lees eerst wat er kan gebeuren, en vink dat aan."),
        _("Wie zo'n kaart vindt, kan ermee binnen."),
    ),
    "card_alone_not_for_advanced": (
        _("Dit kan alleen bij een basis LeerID."),
        _("Geef de leerling eerst plaatjes of een basiswachtwoord."),
    ),
    "email_unclear": (_("Zo ziet een e-mailadres er niet uit."), _("Kijk het na en probeer nog eens.")),
    "too_many_mails": (_("We stuurden al een paar mails."), _("Wacht een uur en probeer dan opnieuw.")),
    "link_gone": (_("Deze link werkt niet meer."), _("Vraag een nieuwe mail, of vraag hulp aan je school.")),
    "not_databeheerder": (
        _("Dit kan alleen een LeerID-databeheerder van deze school."),
        _("Dat recht krijg je vanzelf met een verzonden directeursopdracht."),
    ),
    "package_missing": (
        _("Je school heeft nog geen administratief pakket gekozen."),
        _("Een LeerID-beheerder kiest het bij Klasinformatie delen."),
    ),
    "protocol_not_yet": (
        _("Deze tekst geldt nog niet, en je school deelt intussen niet meer."),
        _("Lees de tekst die nu geldt en beslis dan."),
    ),
    "protocol_replaced": (
        _("Er is intussen een nieuwere tekst."),
        _("Lees de nieuwe tekst en beslis dan."),
    ),
    "school_does_not_share": (
        _("Je school deelt geen klasinformatie."),
        _("Kies een administratieve groep of leerlingen."),
    ),
    "rule_incomplete": (
        _("Er ontbreekt nog iets."),
        _("Kies voor wie de app zichtbaar wordt, en een begindatum."),
    ),
    "username_empty": (_("De gebruikersnaam is leeg."), _("Vul een naam in.")),
    "username_too_long": (_("De gebruikersnaam is te lang."), _("Hoogstens 50 tekens.")),
    "username_at": (_("In een gebruikersnaam mag geen @ staan."), _("Het is geen e-mailadres.")),
    "username_characters": (
        _("In deze gebruikersnaam staat een teken dat niet kan."),
        _("Gebruik kleine letters, cijfers en punten ertussen."),
    ),
    "username_taken": (
        _("Deze gebruikersnaam is of was van iemand anders."),
        _("Kies een andere, bijvoorbeeld met een cijfer erachter."),
    ),
    "pupil_not_here": (
        _("Deze leerling is vandaag niet ingeschreven in deze school."),
        _("Kijk voor welke school je bezig bent, of zoek in de lijst."),
    ),
    "papers_gone": (
        _("Dit kun je niet (meer) openen."),
        _("Na een uur is het weg, en het opent alleen in de browser waarin je begon. Maak zo nodig nieuwe."),
    ),
    "papers_failed": (
        _("Het is niet gelukt: er is niets gemaakt en niets veranderd."),
        _("Probeer het opnieuw. Lukt het weer niet, bel dan de helpdesk."),
    ),
    "papers_for_nobody": (
        _("Voor deze selectie valt er niets te maken."),
        _("Kies leerlingen zonder LeerID voor nieuwe accounts, of met een LeerID voor de rest."),
    ),
    "papers_for_too_many": (
        _("Dat zijn er te veel in één keer."),
        _("Kies hoogstens 1000 leerlingen, bijvoorbeeld per administratieve groep."),
    ),
    "supplier_exists": (
        _("Er is al een leverancier met dit id."),
        _("Open die in de lijst, of kies een ander id."),
    ),
    "supplier_refused": (
        _("Deze leverancier kan zo niet bewaard worden."),
        _("Een id heeft kleine letters, cijfers en streepjes; een naam is nodig."),
    ),
    "nothing_changed": (_("Er is geen verschil met nu."), _("Verander iets, of ga terug.")),
    "app_exists": (_("Er is al een app met dit id."), _("Wijzig die, of kies een ander id.")),
    "app_changed_meanwhile": (
        _("Iemand anders wijzigde deze app intussen."),
        _("Open ze opnieuw en kijk wat er veranderde."),
    ),
    "last_secret": (
        _("Dit is het laatste geheim dat werkt."),
        _("Maak eerst een nieuw, of sluit de app."),
    ),
    "two_secrets": (
        _("Er zijn al twee geheimen die werken."),
        _("Beëindig eerst het geheim dat niemand gebruikt, of vul 0 dagen in: dan houden beide meteen op."),
    ),
    "not_confirmed": (_("Er gebeurde niets."), _("Typ het id van de app om te bevestigen.")),
    "request_decided": (_("Hierover werd al beslist."), _("Kijk hieronder wat er nog wacht.")),
    "request_outdated": (
        _("De app veranderde sinds deze aanvraag."),
        _("Weiger ze en laat ze opnieuw vragen."),
    ),
    "four_eyes": (
        _("Je kunt je eigen aanvraag niet goedkeuren."),
        _("Iemand anders moet het doen."),
    ),
    "token_refused": (_("Dit token kan zo niet."), _("Kijk het label, de scopes en de datum na.")),
    "scope_refused": (_("Deze scopes kunnen niet."), _("Kies er uit de lijst, met openid erbij.")),
    "date_refused": (_("Deze datum kan niet."), _("Kies een dag die nog komt.")),
    "protocol_incomplete": (
        _("Er ontbreekt nog iets."),
        _("Vul een versie van hoogstens 40 tekens, de dag en de tekst in."),
    ),
    "protocol_empty": (_("Er is geen tekst."), _("Vul de tekst in.")),
    "protocol_version_taken": (_("Deze versie bestaat al."), _("Kies een andere naam.")),
    "protocol_out_of_order": (
        _("Er is al een tekst die later ingaat."),
        _("Kies een dag na die van de nieuwste tekst."),
    ),
    "protocol_too_far": (
        _("Die dag is meer dan twee jaar ver."),
        _("Kijk het jaartal na: na deze tekst kan er geen komen die vroeger ingaat."),
    ),
    "protocol_too_soon": (
        _("Die dag is te vroeg."),
        _("Scholen krijgen tijd om de tekst te lezen: kies een latere dag."),
    ),
    "package_unknown": (_("Dit pakket kennen we niet."), _("Kies er een uit de lijst.")),
    "too_many_secrets": (_("Er werken er al twee."), _("Wacht tot het oudste eindigt.")),
    "name_missing": (_("De naam ontbreekt."), _("Vul een naam in.")),
    "sandbox_pupil": (
        _("Dit is een zandbakleerling: het geheim is voor iedereen hetzelfde."),
        _("Een eigen wachtwoord of e-mailadres kan hier niet."),
    ),
    "sandbox_school": (
        _("In een zandbakschool staan alleen verzonnen leerlingen."),
        _("Er werkt niemand en er wordt niets geleverd. De operator maakt en vernieuwt ze."),
    ),
    "sandbox_of_a_demo": (
        _("Een demo zorgt zelf voor haar zandbak."),
        _("Start de demo opnieuw: dan is alles weer zoals gepubliceerd."),
    ),
    "no_sandbox": (
        _("Hier is geen zandbak."),
        _("Een operator maakt er een, op de pagina Zandbak of met `idp sandbox create`."),
    ),
    "removal_not_sure": (_("Er is niets weggenomen."), _("Vink aan dat je zeker bent, en probeer opnieuw.")),
    "sandbox_made_apart": (
        _("Dit nummer of deze soort is voor zandbakscholen."),
        _("Maak de zandbak op haar eigen pagina, of met `idp sandbox create`."),
    ),
    "right_needs_school": (_("Dit recht hoort bij een school."), _("Vul het instellingsnummer in.")),
    "right_is_everywhere": (_("Dit recht geldt overal."), _("Laat het instellingsnummer leeg.")),
    "file_refused": (
        _("Dit bestand kunnen we niet lezen."),
        _("Het moet JSON of YAML zijn, zoals wat je hier kunt ophalen."),
    ),
    "card_unknown": (_("Deze kaart werkt niet meer."), _("Vraag hulp aan je juf of meester.")),
}

_AT_WORK: dict[str, tuple[LazyString, LazyString]] = {
    "not_found": (
        _("Hier vinden we niets voor jou."),
        _(
            "Het adres klopt niet, wat er stond is weg, of het hoort niet bij jouw school of apps. Zoek het in een lijst."
        ),
    ),
    "bad_request": (
        _("Dit konden we niet verwerken."),
        _("Ga terug, kijk na wat je invulde en verstuur het opnieuw."),
    ),
    "too_large": (
        _("Dat is te groot om te versturen."),
        _("Neem een kleiner bestand, of doe het in delen."),
    ),
    "page_expired": (
        _("Dit formulier is niet verwerkt: de pagina stond te lang open, of kwam niet van hier."),
        _("Open de pagina opnieuw en vul het nog eens in."),
    ),
    "broken": (
        _("Er ging iets mis in de toepassing."),
        _("Probeer het over enkele minuten opnieuw. Blijft het zo, geef dan het nummer hieronder door."),
    ),
    "database_away": (
        _("De databank antwoordt even niet."),
        _("Probeer het over enkele minuten opnieuw, en kijk dan of je laatste wijziging bewaard is."),
    ),
    "hash_queue_full": (_("Het is heel druk."), _("Wacht even en probeer het opnieuw.")),
    "hash_wait_too_long": (_("Het is heel druk."), _("Wacht even en probeer het opnieuw.")),
    "app_unknown": (
        _("Deze app vinden we niet."),
        _("Ze bestaat niet, niet meer, of ze is niet van jou. Zoek ze in de lijst van apps."),
    ),
    "right_of_operators": (
        _("Voor deze pagina heb je geen recht."),
        _("Dit recht geeft een operator van deze installatie."),
    ),
    "right_of_directors": (
        _("Voor deze pagina heb je geen recht."),
        _("Dat recht krijg je vanzelf met een verzonden directeursopdracht."),
    ),
}
"""What is said otherwise to staff, operators and makers of apps: a pupil reads the same code above."""


def at_work(code: str, status: int) -> tuple[str, str]:
    """What happened and what to do now, for whoever works here."""
    usual = _AT_WORK["not_found" if status == 404 else "bad_request"]
    said = _AT_WORK.get(code) or _SENTENCES.get(code) or usual
    return str(said[0]), str(said[1])


def sentence(code: str) -> str:
    """What happened, in one sentence."""
    return str(_SENTENCES.get(code, _SENTENCES["bad_request"])[0])


def advice(code: str) -> str:
    """What to do now, in one sentence."""
    return str(_SENTENCES.get(code, _SENTENCES["bad_request"])[1])


def codes() -> frozenset[str]:
    return frozenset(_SENTENCES)
