"""Examples of the page api.md. A test runs each of them with the public names of `llm_gateway`."""

EXAMPLES = {
    "Provider": """
        class Mine(Provider):
            info = ProviderInfo(name="mine", title="Mine", executable="mine", postures=(Posture.READ_ONLY,))

            def resume_session(self, request, session):
                return Resume()

            def build_argv(self, request, posture, resume):
                return Invocation(argv=("mine", "--json"), stdin=request.prompt.text.encode())

            def open_reader(self, request):
                return MineReader()


        @hookimpl
        def gateway_register_provider():
            return Mine()
        """,
    "ProviderInfo": """
        info = ProviderInfo(
            name="mine",
            title="Mine",
            executable="mine",
            postures=(Posture.READ_ONLY, Posture.PROMPTED),
            supports=frozenset({"sessionId"}),
            env=("MINE_API_KEY", "MINE_*"),
            versions_seen=("1.0.0", "1.4.2"),
            install="npm install -g mine@1.4.2",
            login="mine login",
        )
        """,
    "EndStep": """
        import signal

        steps = (EndStep(signal=signal.SIGINT, grace_s=2.0), EndStep())  # SIGINT, 2 s later SIGTERM, 3 s later SIGKILL
        """,
    "Request": """
        request = Request(
            provider="mine",
            prompt=Prompt(text="Explain this repository."),
            working_dir="/srv/project",
            model="large",
            timeout_s=600.0,
        )
        """,
    "Prompt": """
        prompt = Prompt(text="Rules\\n\\nReview the diff.", prefix="Rules")
        """,
    "McpServer": """
        local = McpServer(name="search", command="search-mcp", env={"SEARCH_KEY": "…"})
        remote = McpServer(name="docs", url="https://docs.example.com/mcp")
        """,
    "Invocation": """
        invocation = Invocation(
            argv=("mine", "--json", f"--schema={RUN_FILES}/schema.json"),
            stdin="Explain this repository.".encode(),
            files={"schema.json": b"{}"},
            env={"MINE_NO_UPDATE": "1"},
        )
        """,
    "Notice": """
        notice = Notice(code="no_shell", message="This posture has no shell.", details={"posture": "accept_edits"})
        """,
    "Usage": """
        usage = Usage(input_tokens=120, output_tokens=45, cache_read_tokens=9_000)
        assert usage.cache_creation_tokens is None  # unknown, not zero
        """,
    "Cost": """
        cost = Cost(usd=0.0101, basis=CostBasis.REPORTED)
        """,
    "Event": """
        event = Event(kind=EventKind.TOOL, text="Read README.md")
        """,
    "Summary": """
        good = Summary(text="It is a web server.", native_id=NativeSessionId("0a1b"), usage=Usage(output_tokens=6))
        bad = Summary(failed=True, failure={"message": "rate limit reached", "status": 429})
        """,
    "Failure": """
        failure = Failure(
            code="auth_required",
            message="Mine is not logged in.",
            recovery="Run `mine login`, then send the request again.",
        )
        """,
    "FailureRule": """
        rule = FailureRule(
            code="session_not_found",
            message="Mine does not know this conversation.",
            before_start=True,
            signs=(Sign(words=r"no conversation found"), Sign(exits=(44,))),
        )
        """,
    "OutputReader": """
        class Reader:
            def __init__(self):
                self.lines, self.text = LineSplitter(), []

            def feed(self, stream, data):
                lines = list(self.lines.feed(data)) if stream == "stdout" else []
                self.text += [line.decode("utf-8", "replace") for line in lines]
                return [Event(kind=EventKind.TEXT, text=line[:200]) for line in self.text[-len(lines) :] if lines]

            def gap(self, stream):
                if stream == "stdout":
                    self.lines.gap()

            def finish(self, end):
                return Summary(text="\\n".join(self.text), failed=end.exit_code != 0)


        reader: OutputReader = Reader()
        """,
    "Posture": """
        assert Posture.PLAN < Posture.BYPASS
        lower = min(Posture.WORKSPACE_WRITE, Posture.READ_ONLY)
        """,
    "Proposal": """
        request = Request(provider="mine", prompt=Prompt(text="Tidy up."), working_dir="/srv/project")
        proposal = Proposal(
            request=request,
            posture=Posture.ACCEPT_EDITS,
            strategy="mcp_managed",
            strictness="balanced",
            bypass_allowed=False,
            env_names=("PATH", "MINE_API_KEY"),
        )
        """,
    "Verdict": """
        denied = Verdict(decision=Decision.DENY, policy="house", reasons=("No run in /srv/prod.",))
        lowered = Verdict(decision=Decision.ALLOW, policy="house", posture=Posture.READ_ONLY)
        asked = Verdict(decision=Decision.ASK, policy="house", question="May this run cost up to $20?")
        """,
    "Record": """
        from datetime import datetime, timezone

        record = Record(
            job_id=new_job_id(),
            principal="local",
            correlation_id="trace-1",
            provider="mine",
            posture=Posture.READ_ONLY,
            usage=Usage(input_tokens=120, output_tokens=45),
            started_at=datetime.now(timezone.utc),
            outcome="started",
        )
        """,
    "Annotations": """
        annotations = Annotations(
            notices=(Notice(code="expensive", message="This turn cost more than 10 dollars."),),
            kept={"team": "web"},
            counts={("house", "turns"): {"count": 1}},
        )
        """,
    "CallContext": """
        async def show(message):
            print(message)


        context = CallContext(principal="alice", progress=show)
        """,
    "Resource": """
        async def read_rules(gateway, variables, context):
            return '{"rules": []}'


        resource = Resource(uri="house://rules", name="rules", description="The rules.", read=read_rules)
        """,
    "Operation": """
        class HelloParams(Wire):
            name: str = "world"


        class Hello(Wire):
            greeting: str


        async def hello(gateway, params, context):
            "Greets someone."
            return Hello(greeting=f"Hello, {params.name}!")


        made = operation("hello", "Hello", hello, HelloParams, Hello)
        """,
    "Store": """
        @hookimpl
        def gateway_open_store(url, home):
            return MyStore(url) if url.startswith("mine:") else None  # MyStore has all methods of Store
        """,
    "Engine": """
        @hookimpl
        def gateway_open_engine(url, home):
            return MyEngine(home) if url.startswith("mine:") else None  # MyEngine has all methods of Engine
        """,
    "Transport": """
        class Lines:
            async def serve(self, gateway):
                result = await gateway.call("echo_request", {"prompt": "hello"}, CallContext())
                print(result.text)


        transport: Transport = Lines()
        """,
    "Limits": """
        limits = Limits(running=8, per_provider=4, queued=100, own={"mine": 1})
        assert limits.of("mine") == 1
        """,
    "LineSplitter": """
        lines = LineSplitter()
        assert list(lines.feed(b"one\\r\\ntw")) == [b"one"]
        assert list(lines.feed(b"o\\n")) == [b"two"]
        """,
    "token_count": """
        assert token_count(12) == 12
        assert token_count(-1) is None
        """,
    "parse_line": """
        assert parse_line(b'{"type": "text"}') == {"type": "text"}
        """,
    "to_json": """
        data = to_json(Resume(native_id=NativeSessionId("0a1b"), fresh=False))
        assert from_json(Resume, data).fresh is False
        """,
    "quoted": """
        question = f"May this run use {quoted('a tool')}?"
        """,
    "error_for": """
        error = error_for("invalid_request", "There is no model x.")
        assert error.retryable is False
        """,
    "split_entry": """
        assert split_entry("Read(src/**)") == ("Read", "src/**")
        """,
}
