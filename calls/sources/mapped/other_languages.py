"""How call centres name columns in German, French, Spanish, Portuguese, Italian and Dutch.

As `calls.sources.mapped.naming` has it for English: the likeliest name first. Small letters,
without accents.
"""

from collections.abc import Mapping
from typing import Final

SYNONYMS: Final[Mapping[str, str]] = {
    "call_id": (
        "vorgang;vorgangsnummer;anruf id;anrufid;gesprachs id;referenz;kennung;"
        "identifiant;identifiant appel;id appel;identifiant de l appel;reference appel;"
        "id llamada;id de llamada;id de la llamada;identificador;referencia;"
        "id chamada;id da chamada;id chiamata;identificativo;riferimento;gesprek id;kenmerk"
    ),
    "usage_type": (
        "richtung;anrufrichtung;gesprachsrichtung;anruftyp;anrufart;"
        "sens;sens de l appel;sens appel;type d appel;type appel;"
        "sentido;direccion;tipo de llamada;tipo llamada;tipo;"
        "direcao;tipo de chamada;tipo da chamada;direzione;tipo chiamata;richting"
    ),
    "status": (
        "ergebnis;anrufergebnis;anrufstatus;angenommen;beantwortet;"
        "statut;statut de l appel;statut appel;resultat;resultat de l appel;etat;repondu;"
        "estado;estado de la llamada;estado llamada;resultado;contestada;"
        "situacao;status da chamada;atendida;esito;stato;uitkomst"
    ),
    "started_at": (
        "beginn;anrufbeginn;gesprachsbeginn;startzeit;datum uhrzeit;datum und uhrzeit;datum zeit;"
        "zeitpunkt;anrufdatum;datum;uhrzeit;zeit;"
        "debut;debut d appel;debut de l appel;heure de debut;date de debut;date et heure;"
        "date heure;date de l appel;date d appel;date appel;heure de l appel;heure d appel;"
        "heure appel;heure;"
        "inicio;hora de inicio;hora inicio;fecha de inicio;fecha inicio;fecha y hora;fecha hora;"
        "fecha de llamada;fecha de la llamada;fecha llamada;fecha;hora de llamada;hora;"
        "inicio da chamada;data e hora;data hora;data de inicio;data da chamada;data;"
        "inizio;ora inizio;data e ora;data ora;data chiamata;ora;"
        "aanvang;begintijd;starttijd;datum en tijd;tijd"
    ),
    "connected_at": (
        "antwortzeit;angenommen um;annahme;heure de reponse;reponse;decroche;"
        "hora de respuesta;respuesta;hora de atendimento;atendimento;ora risposta;risposta"
    ),
    "ended_at": (
        "ende;anrufende;gesprachsende;endzeit;fin;heure de fin;date de fin;fin d appel;"
        "fin de l appel;hora de fin;hora fin;fecha de fin;fecha fin;fin de llamada;"
        "fim;hora de fim;termino;data de fim;fine;ora fine;einde;eindtijd"
    ),
    "talk": (
        "gesprachsdauer;gesprachszeit;sprechzeit;"
        "duree de conversation;temps de conversation;duree de communication;"
        "duracion de conversacion;tiempo de conversacion;tiempo hablado;tiempo en llamada;"
        "tempo de conversa;duracao da conversa;tempo em conversa;tempo di conversazione;"
        "gespreksduur"
    ),
    "waiting": (
        "wartezeit;wartedauer;klingelzeit;klingeldauer;attente;temps d attente;duree d attente;"
        "sonnerie;duree de sonnerie;temps de sonnerie;espera;tiempo de espera;tiempo en espera;"
        "tiempo de timbre;tempo de espera;attesa;tempo di attesa;wachttijd"
    ),
    "total": (
        "dauer;anrufdauer;gesamtdauer;duree;duree totale;duree d appel;duree de l appel;"
        "duree appel;duracion;duracion total;duracion de llamada;duracion de la llamada;"
        "duracao;duracao total;duracao da chamada;durata;durata totale;durata chiamata;duur"
    ),
    "agent": (
        "mitarbeiter;mitarbeiterin;bearbeiter;benutzer;conseiller;utilisateur;operateur;"
        "agente;usuario;operador;asesor;atendente;operatore;utente;medewerker"
    ),
    "from": (
        "anrufer;anrufernummer;rufnummer anrufer;von;appelant;numero appelant;origine;de;"
        "origen;numero de origen;numero origen;llamante;origem;numero de origem;chiamante;"
        "beller;van"
    ),
    "to": (
        "angerufener;angerufene nummer;zielrufnummer;zielnummer;ziel;an;"
        "appele;numero appele;destinataire;vers;destino;numero de destino;numero destino;"
        "numero marcado;destinatario;chiamato;naar"
    ),
    "other_party": (
        "rufnummer;telefonnummer;telefon;kunde;numero de telephone;numero telephone;"
        "telefono;numero de telefono;cliente;telefone;numero de telefone;celular;numero;"
        "telefoonnummer;klant"
    ),
    "remarks": (
        "bemerkung;bemerkungen;notiz;notizen;kommentar;betreff;thema;commentaire;commentaires;"
        "remarque;motif;sujet;comentario;comentarios;nota;notas;observaciones;asunto;"
        "observacao;observacoes;assunto;opmerking"
    ),
    "zone": "zeitzone;fuseau horaire;zona horaria;fuso horario;tijdzone",
}
