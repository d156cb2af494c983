# Copyright 2026 The TFChat-HF authors. SPDX-License-Identifier: Apache-2.0
"""The names that Weibo, QQ and WeChat write in brackets for an emoticon."""

from __future__ import annotations

EMOTICON_NAMES = tuple(
    (
        "微笑 嘻嘻 哈哈 可爱 可怜 挖鼻屎 挖鼻 吃惊 害羞 挤眼 闭嘴 鄙视 爱你 泪 偷笑 亲亲 生病 "
        "太开心 懒得理你 白眼 右哼哼 左哼哼 嘘 衰 委屈 吐 打哈欠 哈欠 打哈气 抱抱 怒 疑问 "
        "馋嘴 拜拜 思考 汗 困 睡觉 睡 钱 失望 酷 色 花心 哼 鼓掌 晕 悲伤 抓狂 黑线 阴险 怒骂 "
        "互粉 心 伤心 猪头 熊猫 兔子 ok OK 耶 good NO 赞 来 弱 草泥马 神马 囧 浮云 给力 围观 "
        "威武 奥特曼 礼物 钟 话筒 蜡烛 蛋糕 doge 二哈 笑cry 笑哭 允悲 跪了 费解 摊手 吃瓜 "
        "并不简单 捂脸 呲牙 发呆 得意 流泪 撇嘴 大哭 尴尬 发怒 调皮 惊讶 难过 冷汗 傲慢 饥饿 "
        "惊恐 流汗 憨笑 悠闲 大兵 奋斗 咒骂 疯了 折磨 骷髅 敲打 再见 擦汗 抠鼻 糗大了 坏笑 "
        "快哭了 亲吻 吓 菜刀 西瓜 啤酒 篮球 乒乓 咖啡 饭 玫瑰 凋谢 示爱 爱心 心碎 闪电 炸弹 "
        "刀 足球 瓢虫 便便 月亮 太阳 拥抱 强 握手 胜利 抱拳 勾引 拳头 差劲 爱情 飞吻 跳跳 "
        "发抖 怄火 转圈 磕头 回头 跳绳 挥手 激动 街舞 献吻 左太极 右太极 嘿哈 奸笑 机智 皱眉 "
        "红包 摸摸 推荐 最右 飞个吻 转发 喵喵 江南style 群体围观 偷乐 笑 鲜花 haha 酸 囧囧 污 "
        "舔屏 感冒 顶 握爪 作揖 鬼脸 悲催 许愿 给你小心心"
    ).split()
)
