"""What FHIR and the profiles say, as frozen data. Pure: the definitions are read by fhir_dmp.loader."""
