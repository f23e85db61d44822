"""`mtscene completion`: the script works in a real bash."""

import subprocess

import pytest

pytest.importorskip('shtab', reason='extra `completion` is not installed')
from mtscene_ros.cli.main import main

ASK = """
{script}
COMP_WORDS=(mtscene {words}); COMP_CWORD={at}
_shtab_mtscene
echo "${{COMPREPLY[@]}}"
"""


def completed(script: str, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    requested = ASK.format(script=script, words=' '.join(f"'{w}'" for w in words), at=len(words))
    done = subprocess.run(['bash', '-c', requested], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_bash_completes_verbs_options_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['completion', 'bash']) == 0
    script = capsys.readouterr().out
    assert completed(script, 'ch') == {'check'}
    assert completed(script, 'run', '--comp') == {'--compressed'}
    assert completed(script, 'convert', 'worlds', '--world', 'ro') == {'room'}


def test_zsh_script_begins_as_zsh_wants_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['completion', 'zsh']) == 0
    assert capsys.readouterr().out.startswith('#compdef mtscene')
