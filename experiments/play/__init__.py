"""`urn play`: a page on which dials are turned and a network changes before one's eyes.

Three processes. `server` serves the page and relays messages; it holds no network. `worker` trains
(`session`) and draws (`frames`). `judge` gives verdicts now and then. A session is a configuration
whose schedules hold the moves of the dials, see `plan`.
"""
