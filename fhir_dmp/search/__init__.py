"""FHIR search, pure: parse → query, resource → facts, and what it means for facts to match a clause.

https://hl7.org/fhir/R4/search.html
"""
