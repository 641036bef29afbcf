"""`syncd secrets`: the keys by which tokens are kept encrypted."""

from __future__ import annotations

import os
from pathlib import Path

import click

from syncd.cli.errors import CONFIG, FAILED, Failure, counted


@click.group("secrets")
def command() -> None:
    """Make the key by which OAuth tokens are kept encrypted, and change it.

    \b
    Example:
      syncd secrets keygen --out encryption.key
    """


@command.command("keygen", short_help="Make a key.")
@click.option("--out", type=click.Path(path_type=Path), help="Write it into this new file, readable by you alone.")
def keygen(out: Path | None) -> None:
    """Make a key for `secrets.key` and print it, or write it into a file.

    Keep a copy where the database's backups are not: without the key the tokens in them are lost, and with both
    whoever has the backup has the tokens.

    \b
    Examples:
      syncd secrets keygen --out encryption.key
      syncd secrets keygen
    """
    from syncd.vault import fingerprint, new_key

    key = new_key()
    if out is None:
        click.echo(key)
    else:
        _write(out, key)
        # In quotes, as braces have a meaning of their own there; in full, as syncd.yaml may lie in another folder.
        click.echo(f'{out} is written; in syncd.yaml: secrets: {{key: "${{file:{out.resolve()}}}"}}', err=True)
    click.echo(f"its fingerprint is {fingerprint(key)}", err=True)


@command.command("rotate", short_help="Encrypt all tokens with the first key.")
@click.pass_context
def rotate(ctx: click.Context) -> None:
    """Encrypt all tokens anew with the first of `secrets.key`, whichever of them they were encrypted with.

    To change the key: write the new one before the old one, restart the daemon, run this, then remove the old one
    and restart again. The daemon may run meanwhile.

    \b
    Example:
      syncd secrets rotate
    """
    from syncd.cli.installation import installation
    from syncd.flow.opening import vault_keys
    from syncd.store import credentials
    from syncd.store.engine import retrying
    from syncd.vault import Vault, WrongKey, fingerprint

    with installation(ctx.obj) as app:
        if not (keys := vault_keys(app.config)):
            raise Failure(f"error: there is no secrets.key in {app.config.path}; see: syncd secrets keygen", CONFIG)
        vault = Vault(keys)
        try:
            count = retrying(app.database, lambda tx: credentials.reseal(tx, vault.reseal))
        except WrongKey as error:
            told = f"error: a token cannot be read: {error}; nothing was changed"
            raise Failure(f"{told}; put that key into secrets.key once more", CONFIG) from error
    click.echo(f"{counted(count, 'token')} encrypted with the key {fingerprint(keys[0])}")


@command.command("forget", short_help="Delete the tokens of a connector.")
@click.argument("name")
@click.confirmation_option(prompt="An admin must consent anew afterwards. Delete the tokens?")
@click.pass_context
def forget(ctx: click.Context, name: str) -> None:
    """Delete the tokens of a connector, also when their key is lost and the daemon refuses to start.

    NAME may be a connector that is configured no longer. Afterwards: syncd connectors auth NAME.

    \b
    Example:
      syncd secrets forget zoho
    """
    from syncd.cli.installation import configuration
    from syncd.store import credentials, migrate
    from syncd.store.engine import connect, retrying

    database = connect(configuration(ctx.obj).database)
    try:
        migrate.upgrade(database)
        forgotten = retrying(database, lambda tx: credentials.forget(tx, name))
    finally:
        database.dispose()
    if not forgotten:
        raise Failure(f"error: there are no tokens of a connector {name!r}", FAILED)
    click.echo(f"the tokens of {name} are deleted")


def _write(path: Path, key: str) -> None:
    try:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        told = f"error: {path} is there already, and may hold a key that is in use; name another file"
        raise Failure(told, FAILED) from None
    except OSError as error:
        raise Failure(f"error: {path} cannot be written: {error.strerror}", FAILED) from error
    with os.fdopen(file, "w") as out:
        out.write(key + "\n")
        out.flush()
        os.fsync(out.fileno())
