"""Settings: one file, one environment prefix, one model. An unknown key, a bad value or broken TOML refuses to start.

settings = load_settings(os.environ, host.settings_sections())    # raises SettingsError with every problem found
prepare_home(settings)                                            # makes `settings.home`, 0700
settings.sync_deadline_s, settings.limits.running, settings.providers["echo"].executable    # every key, validated
settings.provider("echo")          # its ProviderSection, defaults when the file has none
settings.plugins["pricing"]        # what a plugin's own section says, an instance of its model
settings.own("echo")               # what a provider's plugin added to its section; None when it has no keys of its own
settings.home, settings.config_file, settings.allow_bypass, settings.depth, settings.warnings
settings.source("limits.running")  # "default", "<file>:12" or "LLM_GATEWAY_LIMITS_RUNNING"
"""

from llm_gateway.settings.home import prepare_home
from llm_gateway.settings.load import load_settings
from llm_gateway.settings.model import PluginSections, Settings, SettingsError, SettingsProblem

__all__ = ["PluginSections", "Settings", "SettingsError", "SettingsProblem", "load_settings", "prepare_home"]
