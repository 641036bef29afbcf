"""A strict part of SOQL: what it does not know is malformed.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/
"""
