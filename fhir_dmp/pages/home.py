"""The page at `/`: what this server is, and where to go on, in French and English. Its links are relative to it."""

from __future__ import annotations

from fhir_dmp.pages.frame import build_document

_BODY = """<h1>fhir-dmp</h1>
<div class="two">
<section lang="fr">
<h2>Dossier Médical Partagé</h2>
<p>Un serveur FHIR R4 pour le dossier médical partagé. Le dossier appartient au patient : ses consentements décident
quel professionnel lit quoi, et chaque lecture lui est racontée.</p>
<p>Guides, avec des commandes à coller :</p>
<ul>
<li><a href="pages/docs/guide/fr/hospital.md">Pour l'hôpital</a></li>
<li><a href="pages/docs/guide/fr/pharmacy.md">Pour la pharmacie</a></li>
<li><a href="pages/docs/guide/fr/ehr-vendor.md">Pour l'éditeur de logiciel</a></li>
<li><a href="pages/docs/guide/fr/patient-application.md">Pour l'application du patient</a></li>
</ul>
<p>Ce que le serveur sait faire : <a href="fhir/metadata?_pretty=true">CapabilityStatement</a>,
<a href="docs">OpenAPI</a>. Tout le reste, en anglais : <a href="pages/docs/README.md">la documentation</a>. Toute
requête demande <a href="pages/docs/reference/authentication.md">un jeton</a>.</p>
</section>
<section lang="en">
<h2>Shared medical record</h2>
<p>A FHIR R4 server for France's shared medical record (DMP). The patient owns the record: his consents decide which
professional reads what, and every reading is told to him.</p>
<p>Guides, with commands to paste:</p>
<ul>
<li><a href="pages/docs/guide/en/hospital.md">For the hospital</a></li>
<li><a href="pages/docs/guide/en/pharmacy.md">For the pharmacy</a></li>
<li><a href="pages/docs/guide/en/ehr-vendor.md">For the EHR vendor</a></li>
<li><a href="pages/docs/guide/en/patient-application.md">For the patient's application</a></li>
</ul>
<p>What the server can do: <a href="fhir/metadata?_pretty=true">CapabilityStatement</a>, <a href="docs">OpenAPI</a>.
All else: <a href="pages/docs/README.md">the documentation</a>. Every request needs
<a href="pages/docs/reference/authentication.md">a token</a>.</p>
</section>
</div>
"""
HOME = build_document("fhir-dmp : Dossier Médical Partagé", "fr", _BODY)
