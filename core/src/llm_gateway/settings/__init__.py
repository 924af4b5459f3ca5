"""Settings: one file, one environment prefix, one model. With an unknown key, a bad value or invalid TOML the gateway does not start.

settings = load_settings(os.environ, host.settings_sections())    # raises SettingsError with every problem found
prepare_home(settings)                                            # creates `settings.home`, mode 0700
settings.sync_deadline_s, settings.limits.running, settings.providers["echo"].executable    # every key, validated
settings.provider("echo")          # its ProviderSection, with defaults if the file has none
settings.plugins["pricing"]        # a plugin's section, as an instance of its model
settings.options_of("echo")        # the keys that a provider's plugin adds to its section; None if it adds none
settings.home, settings.config_file, settings.allow_bypass, settings.depth, settings.warnings
settings.source("limits.running")  # "default", "<file>:12" or "LLM_GATEWAY_LIMITS_RUNNING"
"""

from llm_gateway.settings.home import prepare_home
from llm_gateway.settings.load import load_settings
from llm_gateway.settings.model import PluginSections, Settings, SettingsError, SettingsProblem

__all__ = ["PluginSections", "Settings", "SettingsError", "SettingsProblem", "load_settings", "prepare_home"]
