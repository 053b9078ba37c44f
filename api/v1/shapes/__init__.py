"""The shapes of what the API takes and answers, for its schema. They check nothing: the rules of a
call record are in `calls.records` alone, and what is answered is written by `api.v1.shown`.
"""
