"""CDA R2 documents: bytes → what the header says → the members of a DocumentReference; pure (docs/decisions/0038).

The header is that of the French « Structuration minimale de documents de santé » (CI-SIS).
https://www.hl7.org/implement/standards/product_brief.cfm?product_id=7
"""
