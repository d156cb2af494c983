# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The names that corpora give to what a dialogue is made of. Nothing but data.

Names are compared in lower case, with `_` for blanks and hyphens. Where several are known the
first one counts: a `source` beside a `question` says where it is from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

QUESTIONS = (
    *("question", "query", "ask", "instruction", "prompt", "q", "input", "post", "source", "src"),
    *("问题", "提问", "问句", "问", "用户", "desc", "description", "human", "user", "user_input"),
    *("title", "标题", "textbox_question", "utterance", "客户", "user_message"),
    *("問題", "提問", "問句", "問", "用戶", "標題", "客戶"),
)
REPLIES = (
    *("reply", "chosen", "response_chosen", "answer", "response", "output", "completion", "target"),
    *("a", "tgt", "answers", "回答", "答案", "回复", "答", "答复", "best_answer", "replies"),
    *("responses", "textbox_answer", "assistant", "bot", "gpt", "model_output", "助手", "客服"),
    *("客服回复", "bot_message", "ai", "回覆", "回復", "答覆", "客服回覆"),
)
# A number is a question or a reply only under one of these: "replies: 5" counts them.
NUMBERED = frozenset(
    "question query prompt instruction input q answer a reply response output completion "
    "问题 提问 问 回答 答案 回复 答 問題 提問 問 回覆 回復".split()
)
# A column of these beside one of these might as well be a translation, or a number beside a text.
WEAK_QUESTIONS = frozenset(("source", "src", "input", "title", "标题", "desc", "description"))
WEAK_REPLIES = frozenset(("target", "tgt", "output"))

# A list under one of these is the dialogue, whatever stands beside it.
DIALOGUES = (
    *("messages", "conversations", "conversation", "dialogue", "dialog", "dialogs", "utterances"),
    *("turns", "chat", "对话", "對話", "mapping", "contents", "dialogue_turns", "utts"),
)
# These only where there is no question with its reply: they are names of anything.
WEAK_DIALOGUES = ("log", "items", "content", "data", "thread", "session")
# A text with marks of who speaks may stand here: <|im_start|>user, [INST], "Human: ".
MARKED = ("text", "plain_text", "chosen", "prompt", "content", "conversation", "messages")
# Beside a list of turns: who speaks each of them.
SPEAKERS = (
    *("speakers", "speaker_ids", "roles", "speaker", "speaker_id", "role", "sender", "senders"),
    *("from", "author", "authors", "agents", "user_ids", "发送者", "发言人"),
)
# Pairs in a list under such a name have to do with each other.
TALK = re.compile(
    r"dialog|conversation|chat|turn|talk|session|thread|round|history|exchange|^log$|^paragraph"
    r"|对话|会话|轮"
)
# Lists of ways to ask, all of them answered by each of the replies.
PATTERNS = ("patterns", "questions", "examples")
# What may be chosen from; of options that stand under names of their own the letter.
OPTIONS = ("options", "choices", "选项")
OPTION = re.compile(r"(?:(?:option|choice|opt|op|选项)_?)?([a-h])")
# Beside an instruction these are what it is about; beside a question they are evidence.
INPUTS = ("input", "context", "textbox_q_context")
# Without a question these are what is answered.
CONTEXTS = ("context", "contexts")
TITLES = ("title", "标题")
# What a question of few words is explained by, under it.
DETAILS = {
    "title": ("body", "selftext", "question_body"),
    **dict.fromkeys(
        ("question", "query", "ask", "问题", "提问"),
        ("description", "desc", "question_description", "question_detail", "问题描述", "描述"),
    ),
}
SYSTEMS = ("system", "system_prompt", "meta_instruction", "系统提示")
HISTORIES = ("history", "dialogue_history", "dialog_history", "chat_history", "历史")
# A table with one utterance a row: which dialogue it belongs to, what was said, and by whom.
GROUPS = (
    *("conv_id", "conversation_id", "dialogue_id", "dialog_id", "message_tree_id", "thread_id"),
    *("conv_idx", "convo_id", "对话id"),
)
SAID = ("utterance", "text", "message", "content", "body", "内容")
SAID_BY = (
    *("speaker", "speaker_idx", "speaker_id", "role", "sender", "from", "author", "user"),
    *("user_id", "发送者", "发言人"),
)

# Of one turn.
TEXT_KEYS = (
    *("content", "value", "text", "utterance", "message", "sentence", "parts", "body", "内容"),
    *("content_text", "transcript", "input_text", "answer_text", "reply_text", "msg", "mes"),
)
ROLE_KEYS = ("role", "from", "author")
SPEAKER_KEYS = ("speaker", "sender", "agent", "user", "name", "speaker_id", "person", "发送者")
# Other names of the speaker are made of words: senderWorkerId, interlocutor_id, is_user.
_SPEAKER_STEMS = frozenset(
    "speaker sender user author interlocutor participant agent talker from who uid role person "
    "userid username senderid sendername speakerid authorid nickname 说话人 发言人 发送者".split()
)
_SPEAKER_WORDS = _SPEAKER_STEMS | frozenset(
    "id ids name nick no num number idx index type label key is me bot human self worker".split()
)
# These make a list of objects a talk, under whatever name: a "user" may also have written a review.
SURE_SPEAKERS = frozenset(("role", "from", "speaker", "sender", "interlocutor", "talker", "说话人"))
# What stands behind a role in the name of its text: user_utterance, system_response.
_BEHIND_A_ROLE = re.compile(
    r"_(utterance|utt|response|text|message|msg|reply|turn|transcript|says|said|question|answer)$"
)
TOOL_KEYS = ("tool_calls", "function_call", "tool_call_id", "functionCall", "functionResponse")
# Parts of a turn that are no text.
IMAGE_PARTS = frozenset(
    "image image_url input_image video video_url input_video audio input_audio audio_url file "
    "inline_data inlinedata file_data filedata image_asset_pointer".split()
)
THOUGHT_PARTS = frozenset(("thinking", "reasoning", "redacted_thinking", "thought"))
TOOL_PARTS = frozenset(("tool_use", "tool_result", "tool_call", "function_call"))
# Fields of a row, or of a turn, that hold such a thing or say where it is.
_IMAGE_FIELD = re.compile(
    r"(image|img|picture|photo|video|audio|图片|图像|视频|音频)s?(_(path|url|file|name|list)s?)?"
    r"|(image|img)_id"
)
# What a text has in its place: at its beginning or end, around the name of a file, or as a token.
IMAGE_MARK = re.compile(
    r"\A\s*<image>|<image>\s*\Z|\A\s*<(?:img|video|audio)>\s*\n|\n\s*<(?:img|video|audio)>\s*\Z"
    r"|<(img|image|audio|video)>[^<>\n]{1,300}</\1>|<\|(?:vision_start|image_pad|image|AUDIO)\|>"
)

# What corpora call the three roles. `sys` and `system` are the assistant where nobody else is.
_ROLES = {
    "system": "system sys developer meta 系统 系统提示",
    "user": "user usr human client customer prompter seeker patient asker questioner player "
    "用户 人类 客户 顾客 来访者 求助者 患者 病人 提问者 问 q",
    "assistant": "assistant gpt chatgpt bot chatbot ai model bard bing agent counselor counsellor "
    "therapist supporter doctor answerer moss claude gemini 助手 助理 客服 机器人 模型 咨询师 医生 "
    "答 a",
}
ROLES: Mapping[str, str] = {name: role for role, names in _ROLES.items() for name in names.split()}
TOOL_ROLES = frozenset(
    "tool tools function function_call function_response function-call function-response "
    "tool_call tool_response tool-call tool-response observation ipython environment".split()
)
ROLE_ORDER = ("system", "user", "assistant")

# Fields that say a reply is bad, random, deleted, or not to be learned, and what they then hold.
NO = frozenset(("0", "0.0", "false", "bad", "random", "wrong", "rejected", "错误"))
BAD_IF_NO = (
    "label",
    "is_correct",
    "correct",
    "is_good",
    "review_result",
    "weight",
    "train",
    "loss",
)
BAD_IF_YES = ("deleted", "is_deleted", "spam", "is_spam", "is_random", "is_bad")
YES = frozenset(("1", "1.0", "true"))
# Of a message these say only that it is not to be learned: it stays as context.
NOT_LEARNED = ("weight", "train", "loss")

# Only these keys of a file are named in the report: others may be the numbers of its dialogues.
SPLIT_NAMES = frozenset(("train", "valid", "validation", "dev", "val", "test"))


def fold(name: object) -> str:
    """Make names comparable: "User-Input " and "user_input" are one."""
    return _folded(str(name))


@lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def snake(name: object) -> str:
    """Cut a name into its words: "senderWorkerId" and "Sender worker-ID" are one."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+", str(name))
    return "_".join(words).casefold()


@lru_cache(maxsize=4096)
def names_image(key: str) -> bool:
    """Say whether a field holds an image, a sound or a film, or says where it is."""
    return _IMAGE_FIELD.fullmatch(snake(key)) is not None


@lru_cache(maxsize=4096)
def names_speaker(key: str) -> bool:
    """Say whether a key of a turn is made of words that say who speaks."""
    words = set(snake(key).split("_"))
    return bool(words & _SPEAKER_STEMS or {"is", "bot"} == words) and words <= _SPEAKER_WORDS


@lru_cache(maxsize=4096)
def role_of_text(key: str) -> str | None:
    """Give the name of the role whose text stands under a key, of "user_utterance" "user"."""
    name = snake(key)
    role = _BEHIND_A_ROLE.sub("", name)
    return role if role != name and role in ROLES else None
