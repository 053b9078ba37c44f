"""What the words of files usually mean: how a call ended, and who called whom.

Only words whose meaning is the same everywhere. ``voicemail`` is not among them: to one system it
is an answered call, to the other a missed one.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final
from unicodedata import normalize

from billing.plans.rating import UsageType
from calls.models import Status

_STATUSES: Final = {
    Status.COMPLETED: (
        "completed;complete;answered;answer;yes;y;true;1;connected;success;successful;succeeded;ok;"
        "ended;done;finished;handled;served;picked up;human answered;normal clearing;"
        "normal call clearing;call ended;call completed;customer ended call;assistant ended call;"
        "agent hangup;user hangup;customer hangup;caller hangup;callee hangup;client hangup;"
        "customer hungup;agent hungup;hangup;user ended call;agent ended call;"
        "assistant said end call phrase;assistant forwarded call;call transfer;call transferred;"
        "transferred;max duration reached;exceeded max duration;silence timed out;inactivity;"
        "ja;oui;si;sim;ano;tak;"
        "angenommen;beantwortet;verbunden;erfolgreich;erreicht;repondu;repondue;abouti;aboutie;"
        "decroche;decrochee;traite;traitee;contestada;contestado;respondida;atendida;atendido;"
        "completada;conectada;risposto;risposta;completata;beantwoord"
    ),
    Status.NO_ANSWER: (
        "no answer;noanswer;no;n;false;0;missed;missed call;unanswered;not answered;no pickup;"
        "customer did not answer;dial no answer;ring no answer;rna;did not answer;no user response;"
        "abandoned;abandon;abandoned by caller;caller abandoned;not connected;ring timeout;"
        "cancel;canceled;cancelled;originator cancel;caller cancelled;lost;no response;not picked;"
        "not picked up;request timeout;temporarily unavailable;request terminated;nein;non;nao;nie;"
        "verpasst;unbeantwortet;nicht angenommen;nicht beantwortet;nicht erreicht;keine antwort;"
        "entgangen;manque;manquee;appel manque;non repondu;non repondue;sans reponse;"
        "pas de reponse;abandonne;perdida;llamada perdida;no contestada;no contesta;"
        "no atendida;sin respuesta;nao atendida;chamada perdida;sem resposta;persa;"
        "senza risposta;non risposto;gemist"
    ),
    Status.BUSY: (
        "busy;customer busy;dial busy;user busy;line busy;engaged;subscriber busy;busy here;"
        "busy everywhere;besetzt;occupe;ligne occupee;ocupado;ocupada;occupato;bezet"
    ),
    Status.FAILED: (
        "failed;failure;fail;error;congestion;dial failed;invalid;invalid number;unreachable;"
        "not reachable;switched off;out of service;network error;network failure;"
        "call rejected;rejected;declined;unallocated number;unavailable;chanunavail;"
        "no route destination;number not in service;system error;not found;service unavailable;"
        "server internal error;decline;fehlgeschlagen;fehler;abgelehnt;echec;echoue;erreur;"
        "fallida;fallido;rechazada;falha;falhou;rejeitada;fallita;rifiutata;mislukt"
    ),
    Status.BLOCKED: (
        "blocked;dnc;do not call;dnd;disallowed;blocked by policy;policy;marked as spam;spam;"
        "number blocked;denied"
    ),
}
_USAGE_TYPES: Final = {
    UsageType.OUTBOUND: (
        "outbound;out;outgoing;o;dialed;dialled;placed;made;outward;manual;"
        "ausgehend;abgehend;sortant;sortante;appel sortant;emis;emise;saliente;salida;realizada;"
        "saida;efetuada;uscente;in uscita;uitgaand"
    ),
    UsageType.INBOUND: (
        "inbound;in;incoming;i;received;inward;"
        "eingehend;ankommend;entrant;entrante;appel entrant;recu;recue;entrada;recibida;"
        "recebida;in entrata;in arrivo;inkomend"
    ),
    UsageType.TRANSLATION: "translation",
}
BEGINNINGS: Final = {
    "outbound": UsageType.OUTBOUND,
    "outgoing": UsageType.OUTBOUND,
    "inbound": UsageType.INBOUND,
    "incoming": UsageType.INBOUND,
}
_NO_WORD: Final = re.compile(r"[\s_\-./]+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ACCENTS: Final = re.compile(r"[\u0300-\u036f]")

STATUS_WORDS: Final[Mapping[str, Status]] = {
    word: status for status, words in _STATUSES.items() for word in words.split(";")
}
USAGE_WORDS: Final[Mapping[str, UsageType]] = {
    word: usage for usage, words in _USAGE_TYPES.items() for word in words.split(";")
}
# Of a column with any name these words tell whether calls were answered, or who called whom.
_OF_CALLS: Final = re.compile(
    r"answer|missed|\bbusy|voice ?mail|pick|angenommen|beantw|verpasst|repond|manque|contesta"
    r"|atendid|perdida|rispost"
)
_OF_DIRECTIONS: Final = re.compile(
    r"(in|out)(bound|coming|going)|(aus|ein)gehend|(sort|entr)ante?|saliente|uscente|uitgaand|inkomend"
)
INVERTED: Final = {Status.COMPLETED: Status.NO_ANSWER, Status.NO_ANSWER: Status.COMPLETED}


def without_accents(text: str) -> str:
    """``Durée`` as "Duree": people leave accents out, and files lose them."""
    return text if text.isascii() else _ACCENTS.sub("", normalize("NFD", text))


def as_words(text: str) -> str:
    """``customer-did-not-answer`` and ``customerDidNotAnswer`` as "customer did not answer"."""
    return _NO_WORD.sub(" ", _HUMP.sub(" ", without_accents(text))).strip().lower()


def status_meant(text: str) -> Status | None:
    """What a word says about the end of a call; None where it is not known."""
    words = as_words(text)
    return STATUS_WORDS.get(words) or STATUS_WORDS.get(words.removesuffix(" call"))


def usage_meant(text: str) -> UsageType | None:
    """What a word says about who called whom; None where it is not known."""
    words = as_words(text)
    if (usage := USAGE_WORDS.get(words)) is not None:
        return usage
    return next(
        (usage for beginning, usage in BEGINNINGS.items() if words.startswith(beginning)), None
    )


def tells_status(words: Collection[str]) -> bool:
    """Whether the words of a column tell how calls ended, whatever its name is."""
    return _tell(words, status_meant, _OF_CALLS)


def tells_usage(words: Collection[str]) -> bool:
    """Whether the words of a column tell who called whom, whatever its name is."""
    return _tell(words, usage_meant, _OF_DIRECTIONS)


def _tell(words: Collection[str], meant: Callable[[str], object], surely: re.Pattern[str]) -> bool:
    known = [word for word in words if meant(word) is not None]
    is_sure = any(surely.search(as_words(word)) for word in known)
    return is_sure and len(known) * 2 >= len(words)
