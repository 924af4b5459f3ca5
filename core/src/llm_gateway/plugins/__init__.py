"""Plugins: finding them, loading them one by one, asking them.

    host = PluginHost.discover(os.environ, reserved=names_of_common_request_parameters)
    host.load_all()                              # policies, extensions, providers; nothing here raises for a broken plugin
    settings = load_settings(os.environ, host.settings_sections())
    store = host.open_store(settings.store.url, str(settings.home))     # loads the one store; PluginError if it cannot
    engine = host.open_engine(settings.engine.url, str(settings.home))
    host.providers["echo"]                       # ProviderInfo, by name, sorted
    host.build_argv("echo", request, posture, resume)
    host.records                                 # a PluginRecord for everything that is installed
    host.problems                                # sentences for `doctor`

Nothing outside this package touches pluggy. What each hook's wrapper raises is said in `calls.py`; `host.report(plugin, text)`
notes what a caller found wrong with a plugin's answer. Tests: `PluginHost()` and `host.register(plugin, kind=, name=)`.
"""

from llm_gateway.plugins.calls import PluginError
from llm_gateway.plugins.host import PluginHost
from llm_gateway.plugins.record import PluginRecord, PluginState

__all__ = ["PluginError", "PluginHost", "PluginRecord", "PluginState"]
