"""A strict part of COQL: what it does not know is a syntax error.

https://www.zoho.com/crm/developer/docs/api/v8/COQL-Overview.html
"""
