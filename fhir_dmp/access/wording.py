"""The rules in plain words, French and English: what a patient is told of a decision. Data."""

from __future__ import annotations

from fhir_dmp.access.reason import Rule

SENTENCES: dict[Rule, tuple[str, str]] = {
    Rule.EXCLUDED: (
        "La loi interdit tout accès aux assureurs, banques, employeurs et à la médecine du travail.",
        "The law forbids any access by insurers, banks, employers and occupational medicine.",
    ),
    Rule.NOT_FOR_THIS_KIND: (
        "Ce type d'utilisateur n'a pas accès à ce contenu.",
        "This kind of user has no access to this content.",
    ),
    Rule.SCOPE: (
        "L'application utilisée n'a pas reçu le droit de faire cela.",
        "The application in use was not given the right to do this.",
    ),
    Rule.PAST_WINDOW: (
        "Les remboursements ne sont visibles que 24 mois après les soins.",
        "Reimbursements are visible for 24 months after the care only.",
    ),
    Rule.NO_PURPOSE: (
        "Le professionnel n'a pas dit pourquoi il veut accéder au dossier.",
        "The professional did not say for what purpose he wants access.",
    ),
    Rule.TOO_MANY_RECORDS: (
        "La demande porte sur trop de dossiers à la fois.",
        "The request is about too many records at once.",
    ),
    Rule.CLOSED: ("Le dossier est fermé.", "The record is closed."),
    Rule.NOT_INTERPRETABLE: (
        "Un de vos consentements ne peut pas être interprété : par prudence, personne n'accède au dossier.",
        "One of your consents cannot be interpreted: as a precaution nobody has access to the record.",
    ),
    Rule.OTHER_RECORD: ("Cet élément n'est pas dans ce dossier.", "This item is not in this record."),
    Rule.SEVERAL_PATIENTS: (
        "Cet élément concerne aussi une autre personne.",
        "This item is about another person too.",
    ),
    Rule.NOT_FOR_PROFESSIONALS: (
        "Seul votre médecin traitant voit les traces ; aucun professionnel, vos consentements ni les avis à d'autres.",
        "Only your médecin traitant sees the traces; no professional sees your consents or notices to others.",
    ),
    Rule.BLOCKED: (
        "Vous avez bloqué ce professionnel : il n'accède à rien, même en urgence.",
        "You blocked this professional: he has no access, not even in an emergency.",
    ),
    Rule.AUTHOR: (
        "Ce professionnel est l'auteur : un auteur voit toujours ce qu'il a écrit.",
        "This professional is the author: an author always sees what he wrote.",
    ),
    Rule.ATTENDING: (
        "C'est votre médecin traitant : il voit tout le dossier, y compris ce qui est masqué.",
        "This is your médecin traitant: he sees the whole record, masked items too.",
    ),
    Rule.NOTIFIED: (
        "Votre médecin traitant lit les avis d'accès en urgence qui lui sont adressés.",
        "Your médecin traitant reads the notices of emergency access that are addressed to him.",
    ),
    Rule.ADMINISTRATOR: (
        "Vous lui avez donné les droits d'un médecin traitant.",
        "You gave him the rights of a médecin traitant.",
    ),
    Rule.NOT_REGULATOR: (
        "Cet accès est réservé aux médecins régulateurs du SAMU.",
        "This access is for regulating doctors of the SAMU only.",
    ),
    Rule.NO_REASON: (
        "L'accès en bris de glace exige d'en écrire la raison.",
        "Break-glass access takes a written reason.",
    ),
    Rule.EMERGENCY_OVER: ("L'accès en urgence a pris fin.", "The emergency access is over."),
    Rule.ONE_RECORD_IN_EMERGENCY: (
        "Un accès en urgence porte sur un seul dossier.",
        "Emergency access is to one record only.",
    ),
    Rule.EMERGENCY_OPPOSED: (
        "Vous vous êtes opposé à cet accès en urgence.",
        "You opposed this emergency access.",
    ),
    Rule.CONSENT_DENIES: ("Un de vos consentements le refuse.", "One of your consents denies it."),
    Rule.NO_CONSENT: (
        "Vous n'avez pas donné accès à ce professionnel ou à sa structure.",
        "You have not given access to this professional or his structure.",
    ),
    Rule.CONSENT: ("Un de vos consentements le permet.", "One of your consents permits it."),
    Rule.BREAK_GLASS: (
        "Accès en bris de glace : urgence, sans opposition de votre part.",
        "Break-glass access: an emergency, and you had not opposed it.",
    ),
    Rule.REGULATION: (
        "Accès du médecin régulateur du SAMU, sans opposition de votre part.",
        "Access by the regulating doctor of the SAMU; you had not opposed it.",
    ),
    Rule.MATRIX: (
        "La profession de cet utilisateur ne donne pas accès à ce type de document.",
        "The profession of this user gives no access to this type of document.",
    ),
    Rule.MASKED: (
        "Ce document est masqué aux professionnels.",
        "This document is masked from professionals.",
    ),
    Rule.CONFIDENTIAL: (
        "Ce document est trop confidentiel pour cet accès.",
        "This document is too confidential for this access.",
    ),
    Rule.WITHHELD: (
        "Ce document attend une consultation d'annonce ; il s'ouvrira au plus tard un mois après son dépôt.",
        "This document waits for an announcement visit; it opens at the latest a month after its deposit.",
    ),
    Rule.HIDDEN_FROM_REPRESENTATIVES: (
        "Ce document n'est pas visible par les représentants légaux.",
        "This document is not visible to legal representatives.",
    ),
    Rule.NOT_REPRESENTED: (
        "Cette personne n'est plus représentée : elle est majeure et n'est pas protégée.",
        "This person is no longer represented: of age, and not a protected adult.",
    ),
    Rule.RELATION_OVER: (
        "Le rôle de ce proche auprès du patient a pris fin, ou n'a pas commencé.",
        "What this person was to the patient is over, or has not begun.",
    ),
    Rule.SELF: ("C'est votre dossier.", "This is your record."),
    Rule.REPRESENTATIVE: ("Accès du représentant légal.", "Access by the legal representative."),
    Rule.PUBLIC: ("Cet élément n'est dans le dossier de personne.", "This item is in nobody's record."),
    Rule.AUDITOR: ("Les auditeurs lisent les traces d'accès.", "Auditors read the traces of access."),
    Rule.SYSTEM: ("Le serveur lui-même.", "The server itself."),
    Rule.WRITTEN_BY_ITSELF: (
        "Un établissement ou l'assurance maladie relit ce qu'il a écrit.",
        "An establishment, or the health insurance, reads back what it wrote.",
    ),
    Rule.SUBSCRIBER: ("L'abonnement est le sien.", "The subscription is his own."),
    Rule.FEEDING: (
        "Les professionnels et l'assurance maladie alimentent le dossier.",
        "Professionals and the health insurance feed the record.",
    ),
    Rule.FEEDING_OPPOSED: (
        "Vous vous êtes opposé à l'alimentation du dossier.",
        "You opposed the feeding of the record.",
    ),
    Rule.NOT_AUTHOR: (
        "Seul l'auteur peut modifier ou supprimer cet élément.",
        "Only the author may change or delete this item.",
    ),
    Rule.AUTHOR_NOT_SELF: (
        "On n'écrit pas au nom d'un autre.",
        "Nobody writes in another's name.",
    ),
    Rule.AUTHOR_CHANGED: ("L'auteur ne change pas.", "The author does not change."),
    Rule.SUBJECT_CHANGED: ("La personne concernée ne change pas.", "The person it is about does not change."),
    Rule.LABELS_CHANGED: (
        "Cette étiquette de visibilité n'est pas à lui.",
        "This visibility label is not his to change.",
    ),
    Rule.LABELS_CONTRADICT: (
        "Un document ne peut être masqué à la fois aux professionnels et au patient.",
        "A document cannot be hidden from professionals and from the patient at once.",
    ),
    Rule.DEPOSIT_DATE_CHANGED: (
        "Un document retenu s'ouvre un mois après son premier dépôt.",
        "A document held back opens a month after its first deposit.",
    ),
    Rule.ATTENDING_NOT_BLOCKABLE: (
        "Le médecin traitant ne peut pas être bloqué ; il faut d'abord en changer.",
        "The médecin traitant cannot be blocked; declare another one first.",
    ),
    Rule.DEPOSIT: ("Le patient dépose dans son dossier.", "The patient deposits in his record."),
    Rule.MASKING: ("Le patient masque ou démasque.", "The patient masks or unmasks."),
    Rule.CONSENT_MANAGEMENT: ("Le patient gère ses consentements.", "The patient manages his consents."),
    Rule.DIRECTORY: (
        "Les annuaires et les identités sont tenus par un administrateur.",
        "Directories and identities are kept by an administrator.",
    ),
}
