"""The web interface (extra `web`): pages, JSON routes, metrics. Start it with `atlas-fast serve`.

`app.create_app` joins the parts; every request passes `security.Guard` first, which decides whether
it may come in at all and what headers its answer has. Pages ask `store/views` and render templates.
"""
