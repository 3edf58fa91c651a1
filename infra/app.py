"""Synthesises the AWS stack of a Tidegate app.

The CDK's command line runs this file and passes the context itself. Without it:

    python app.py -c stage=dev -c package=chat.zip --output cdk.out
"""

import argparse
import sys

from aws_cdk import App

from tidegate_stack.access_logs import AccountStack
from tidegate_stack.acknowledgements import acknowledge_account, acknowledge_stack, check
from tidegate_stack.package import PackageError
from tidegate_stack.settings import Settings, SettingsError, check_names, stages, switch
from tidegate_stack.stack import AppStack


def build(app: App) -> None:
    """Adds the stacks that the context of `app` asks for."""
    check_names(app)
    check(app)
    if switch(app, "account", default=False):
        acknowledge_account(AccountStack(app, "tidegate-account"))
        return
    settings = Settings.read(app)
    for stage in stages(app):
        acknowledge_stack(AppStack(app, settings, stage))


def main() -> int:
    """Synthesises, or says why not."""
    arguments = argparse.ArgumentParser(description="Synthesise the AWS stack of a Tidegate app.")
    arguments.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    arguments.add_argument("-o", "--output", metavar="DIR")
    given = arguments.parse_args()
    context = dict(pair.split("=", 1) if "=" in pair else (pair, "on") for pair in given.context)
    app = App(context=context, outdir=given.output, analytics_reporting=False)
    try:
        build(app)
    except (PackageError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    try:
        app.synth()
    except RuntimeError as error:
        # cdk-nag's findings, without the stack that jsii would print below them.
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
