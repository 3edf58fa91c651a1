"""Synthesises the AWS stack of a Tidegate app.

The CDK's command line runs this file and passes the context itself. Without that command line:

    python app.py -c stage=dev -c package=chat.zip --output cdk.out
"""

import argparse
import sys

from aws_cdk import App

from tidegate_stack.access_logs import AccountStack
from tidegate_stack.acknowledgements import acknowledge_account, acknowledge_stack, add_nag_checks
from tidegate_stack.errors import Code, StackError
from tidegate_stack.settings import Settings, check_names, stages, switch
from tidegate_stack.stack import AppStack


def build(app: App) -> None:
    """Adds the stacks that the context of `app` selects.

    Raises StackError if the context or the package is invalid.
    """
    check_names(app)
    add_nag_checks(app)
    if switch(app, "account", default=False):
        acknowledge_account(AccountStack(app, "tidegate-account"))
        return
    settings = Settings.read(app)
    for stage in stages(app):
        acknowledge_stack(AppStack(app, settings, stage))


def synthesize(app: App) -> None:
    """Writes the templates of `app`.

    Raises StackError if cdk-nag or the CDK rejects them.
    """
    try:
        app.synth()
    except RuntimeError as error:
        # The message alone: jsii would print a stack trace of Node.js below it.
        raise StackError(Code.SYNTHESIS_FAILED, "cannot synthesise the stack", str(error)) from None


def main(arguments: list[str] | None = None) -> int:
    """Synthesises the stacks, or prints the error; returns the exit status."""
    parser = argparse.ArgumentParser(description="Synthesise the AWS stack of a Tidegate app.")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("-o", "--output", metavar="DIR")
    given = parser.parse_args(arguments)
    context = dict(pair.split("=", 1) if "=" in pair else (pair, "on") for pair in given.context)
    app = App(context=context, outdir=given.output, analytics_reporting=False)
    try:
        build(app)
        synthesize(app)
    except StackError as error:
        print(error.render(), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
