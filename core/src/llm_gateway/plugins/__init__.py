"""Plugins: find them, load them one by one, call their hooks.

    host = PluginHost.discover(os.environ, reserved=names_of_common_request_parameters)
    host.load_all()                              # policies, extensions, providers; a broken plugin does not raise
    settings = load_settings(os.environ, host.settings_sections())
    store = host.open_store(settings.store.url, str(settings.home))     # loads this store only; raises PluginError
    engine = host.open_engine(settings.engine.url, str(settings.home))
    host.providers["echo"]                       # ProviderInfo, by name, sorted
    host.build_argv("echo", request, posture, resume)
    host.records                                 # a PluginRecord for every installed plugin
    host.problems                                # sentences for `doctor`

Only this package uses pluggy. `calls.py` documents the exceptions of each hook's method. `host.report(plugin, text)` records a
problem that a caller finds in a plugin's answer. Tests use `PluginHost()` and `host.register(plugin, kind=, name=)`.
"""

from llm_gateway.plugins.calls import PluginError
from llm_gateway.plugins.host import PluginHost
from llm_gateway.plugins.record import PluginRecord, PluginState

__all__ = ["PluginError", "PluginHost", "PluginRecord", "PluginState"]
