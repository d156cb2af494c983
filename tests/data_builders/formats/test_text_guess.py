# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The families of plain text are told apart on real files."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_builders.formats.registry import FILE_FAMILIES, guess_format
from data_builders.reading import sample_of, source_files
from tests.data_builders.formats.text_formats import source_of

PLAIN = (
    "alternating blocks conv cornell dailydialog douban parallel separated subtitles chat_export "
    "script parlai"
).split()
# Two families that score alike would leave the choice to chance.
LEAST_LEAD = 0.09


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("en_dialogue/chitchat_dataset.json.gz", None),
        ("en_dialogue/cornell/movie_characters_metadata.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_conversations.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_lines.original-head.txt", "cornell"),
        ("en_dialogue/cornell/movie_lines.txt.gz", "cornell"),
        ("en_dialogue/cornell/movie_titles_metadata.txt", "cornell"),
        ("en_dialogue/dailydialog_validation.txt", "dailydialog"),
        ("en_instruction/alpaca_data.json.gz", None),
        ("vocab/char_common.json", None),
        ("zh_chitchat/barbarianj_qa_chat.txt", "separated"),
        ("zh_chitchat/cdial_gpt_toy/toy_data.json", None),
        ("zh_chitchat/cdial_gpt_toy/toy_train.txt", "separated"),
        ("zh_chitchat/cdial_gpt_toy/toy_valid.txt", "separated"),
        ("zh_chitchat/chicken_and_gossip.txt", "separated"),
        ("zh_chitchat/dgk_lost_conv/fanzxl.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/haosys.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/juemds.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/laoyj.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/lost.conv.gz", "conv"),
        ("zh_chitchat/dgk_lost_conv/prisonb.conv.gz", "conv"),
        ("zh_chitchat/format_samples/LCCC.json", None),
        ("zh_chitchat/format_samples/douban.txt", "douban"),
        ("zh_chitchat/format_samples/qin_yun.csv", "separated"),
        ("zh_chitchat/format_samples/stc_weibo_train_post", "parallel"),
        ("zh_chitchat/format_samples/stc_weibo_train_response", "parallel"),
        ("zh_chitchat/format_samples/tieba.dialogues", "separated"),
        ("zh_chitchat/format_samples/xiaohuangjie.txt", "blocks"),
        ("zh_chitchat/kenhenry_zh/test.dec", "alternating"),
        ("zh_chitchat/kenhenry_zh/test.enc", "alternating"),
        ("zh_chitchat/kenhenry_zh/train.dec", "alternating"),
        ("zh_chitchat/kenhenry_zh/train.enc", "alternating"),
        ("zh_chitchat/ptt/Gossiping-QA-Dataset_10000.txt", "separated"),
        ("zh_chitchat/ptt/PTT_charactors/src-train.txt", "parallel"),
        ("zh_chitchat/ptt/PTT_charactors/tgt-train.txt", "parallel"),
        ("zh_community_qa/baike_webtext_readme_examples.jsonl", None),
        ("zh_community_qa/egret_wenda_conversations.txt", "cornell"),
        ("zh_community_qa/egret_wenda_lines.txt", "cornell"),
        ("zh_community_qa/toyhom_internal_medicine_sample.csv.gz", None),
        ("zh_community_qa/toyhom_rekeyed_desc_answer.jsonl.gz", None),
        ("zh_instruction/carbonz0/zh-data-part-00.json.gz", None),
        ("zh_instruction/open-chinese/alpaca-chinese-52k.json.gz", None),
        ("zh_multiturn/c3-d-train.json.gz", None),
        ("zh_multiturn/crosswoz_val.json.gz", None),
        ("zh_multiturn/smilechat_first2000.tar.gz", None),
        ("zh_multiturn/xdailydialog_zh_dev_human.txt", "dailydialog"),
    ],
)
def test_real_file(shared_data: Path, name: str, family: str | None):
    files = source_files([str(shared_data / name)])
    sample = sample_of(next(files))
    guesses = {name: FILE_FAMILIES[name].resembles(sample) for name in PLAIN}
    scores = {name: guess.score for name, guess in guesses.items() if guess is not None}
    ranked = sorted(scores, key=scores.get, reverse=True)
    assert (ranked[0] if ranked else None) == family
    assert len(ranked) < 2 or scores[ranked[0]] - scores[ranked[1]] > LEAST_LEAD


def many(line: str, times: int = 40) -> str:
    return "".join(line.format(n, n % 7) for n in range(times))


CHAT = many("[03/05/24 09:{0:02}] Ann: how is shed {0}\n[03/05/24 09:{0:02}] Bob: dry\nbut old\n")


@pytest.mark.parametrize(
    "line",
    [
        "[Sun Dec 04 04:47:{0:02} 2005] [error] a child of {0} is in state {1}\n",
        "Jun 14 15:16:{0:02} oak sshd[19{0:02}]: no such user; name={0}\n",
        "Jul  1 09:00 oak kernel[0]: the disk is asleep {0}\n",
        '10.0.0.{0} - ann [10/Oct/2000:13:55:{0:02} -0700] "GET /a.gif HTTP/1.0" 200 23{0}\n',
        "081109 203518 {0} INFO disk.Block$Writer: block {0} is written\n",
        "03-17 16:13:38.8{0:02}  1702  2395 D Windows: printing the open app {0}\n",
        "INFO: it is done now {0}\nERROR: it is not yet {0}\n",
        "[info] server is listening on {0}\n[error] server went down {0}\n",
        "10.0.0.{0}: host is up again\n10.0.0.{1}: host is down now\n",
        "1346{0} node-2 unix.hw is not here 1077{0} 1 State Change: unit {0} is out\n",
        "09:{0:02}: we get up and go\n10:{0:02}: we have tea\n",
    ],
)
def test_logs_are_no_dialogues(line):
    guessed = guess_format(sample_of(source_of(many(line), "a.log")))
    # A chat of a layout that nobody knows is refused when it is read.
    assert guessed is None or (guessed.format == "chat_export" and guessed.guess.alone)


@pytest.mark.parametrize(
    ("name", "text", "format", "alone"),
    [
        (
            "film.srt",
            many("{0}\n00:00:{0:02},000 --> 00:00:{0:02},900\nLine {0}\n\n"),
            "subtitles",
            False,
        ),
        (
            "film.txt",
            many("{0}\n00:00:{0:02},000 --> 00:00:{0:02},900\nLine {0}\n\n"),
            "subtitles",
            False,
        ),
        ("whatsapp.txt", CHAT, "chat_export", False),
        (
            "qq.txt",
            many("2023-01-01 12:00:{0:02} 小明(10000)\n到了吗{0}\n\n")
            + "2023-01-01 12:01:00 小红(10001)\n到了\n",
            "chat_export",
            False,
        ),
        ("play.txt", many("ANN: Where is boat {0}?\nBOB: It is out.\n"), "script", False),
        ("qa.txt", many("问：小船{0}在哪儿？\n答：出海了。\n"), "script", False),
        ("scenarios.txt", many("Q: Where is boat {0}?\nA: It is out.\n===\n"), "script", False),
        ("talk.txt", many("你喜欢茶吗\n喜欢，第{0}杯了\n"), "alternating", True),
        ("talk.txt", many("Do you like tea?\nYes, cup {0}.\n"), "alternating", True),
        ("talk.txt", many("早上好\n早，睡得好吗\n挺好，{0}点起的\n\n"), "blocks", True),
        ("vocab.tsv", many("word{0}\tother{1}\n"), "separated", True),
        ("pairs.tsv", many("Is it far to {0}?\tA mile or so.\n"), "separated", False),
        ("pairs.txt", many("去{0}号远吗=走{1}分钟\n"), "separated", False),
        (
            "ubuntu.csv",
            "Context,Utterance,Label\n"
            + many('"which disk __eou__ __eot__","ext{0} __eou__",0.0\n'),
            None,
            False,
        ),
        ("vocab.txt", many("tok{0}\n"), None, False),
        ("requirements.txt", "torch\ntransformers>=4.5\ndatasets\nnumpy\n", None, False),
        ("requirements.txt", many("pack{0}==2.{1}\n"), None, False),
        ("run.sh", "cd x\npython a.py\necho done\ncd ..\n", None, False),
        ("run", "#!/bin/sh\ncd x\npython a.py --fast\necho done now\ncd ..\n", None, False),
        ("tool.py", "import os\nprint(os.name)\n", None, False),
        ("freq.tsv", many("word{0}\t{1}\n"), None, False),
        ("zipf.txt", many("词{0}=0.0{1}\n"), None, False),
        ("env", many("NAME_{0}=value{1}\n"), None, False),
        ("urls.txt", many("https://a.example/{0}\n"), None, False),
        ("paths.txt", many("data/part/{0}.wav\n"), None, False),
        ("scores.tsv", many("{0}\t0.{1}\n"), None, False),
        ("shop.txt", many("milk\nbread\neggs\n"), None, False),
        ("dump.sql", "-- dump\n" + many("INSERT INTO `x` VALUES ({0},'a b');\n"), None, False),
        ("dump.txt", "-- dump\n" + many("INSERT INTO `x` VALUES ({0},'a b');\n"), None, False),
        ("sorts.txt", many("第{0}种感冒怎么治疗\n"), None, False),
        ("sorts.txt", many("What is the name of lake {0}?\n"), None, False),
        ("settings.txt", many("host: a{0}\nport: {1}\n"), None, False),
        (
            "changes",
            many("- top: it is {0} times as fast\n- ps: it is dry now\n"),
            None,
            False,
        ),
        (
            "news.txt",
            many("Changes:\n- it is dry now\n- it is {0}\nThanks to:\n- Ann\n"),
            None,
            False,
        ),
        ("idioms.txt", many("一帆风顺\n马到成功\n守株待兔\n画蛇添足\n", 5), None, False),
        ("cities.txt", many("North Haven\nSouth Bay\nLake End\nOak Hill\n", 5), None, False),
        ("short.txt", many("早啊\n早，吃了吗\n吃了\n走吧\n", 5), "alternating", True),
        ("short.txt", "你好\n你好\n再见\n再见\n", "alternating", True),
        ("a.txt", many("[INST] Where is boat {0}? [/INST] It is out.\n"), None, False),
        (
            "a.txt",
            many("<s>Human: Where is {0}?\n</s><s>Assistant: It is out.\n</s>\n"),
            None,
            False,
        ),
        ("a.txt", many("<|im_start|>user\nWhere is {0}?<|im_end|>\n"), None, False),
        ("a.txt", many('"ANN: Where is {0}?\nBOB: It is out."\n'), None, False),
        ("dict.txt", "apple\tn. a fruit\nplum\tn. a fruit\ncat\tn. a pet\n", "separated", True),
        ("labels.tsv", many("pos\tthe boat {0} is dry\n") + many("neg\tit is wet\n"), None, False),
        ("labels.txt", many("sea = where boat {0} is\npier = where it was\n"), None, False),
        ("a.txt", many("Ann - where is boat {0}?\nBob - out at sea\n"), None, False),
        ("a.txt", many("(Ann) where is boat {0}?\n(Bob) out at sea\n"), None, False),
        ("a.txt", many("#{0} where is the boat?\n#{0} out at sea\n"), None, False),
        ("a.txt", many("09:{0:02} < ann> is it dry?\n09:{0:02} < bob> yes\n"), "chat_export", True),
        (
            "a.txt",
            many("Fri 3 May 2024 at 9h{0:02} | Ann | is it dry?\n"),
            "chat_export",
            True,
        ),
        ("many.tsv", many("早上好\t早，第{0}天了\n") + many("再见\t明天见\n"), "separated", True),
        ("a.txt", many("[Ann]: Where is {0}?\n[Bob]: It is out.\n"), "script", False),
    ],
)
def test_what_is_no_dialogue_is_not_taken_for_one(name, text, format, alone):
    guessed = guess_format(sample_of(source_of(text, name)))
    if guessed is not None and guessed.format == "csv":
        guessed = None  # Whether it has the columns of a dialogue is said there.
    assert (guessed and guessed.format) == format
    assert (guessed is not None and guessed.guess.alone) == alone
