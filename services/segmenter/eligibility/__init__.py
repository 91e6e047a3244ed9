"""May she be asked this survey?"""
