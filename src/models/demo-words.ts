/** What the demo model can say: whole words, so that its gibberish is visibly gibberish and yet legible. */
const english = `the of and to in is was for that with as on by at from his an were are which this also be had or has its one
their first not after two who new they have her she there can about time into only other some more than most over up
city war where when during years part state world school used known may all been would will between such work name
early many through since before three number long like area under several national game use place way great small
life large early water old well left right house line system group music film company north south east west river
road land field light night day year hand head power end form order point list team family public government local
member book story title song play player record series show stone tree bird fish horse dog cat moon sun star rain
wind snow fire ice sea lake island mountain forest garden bridge tower wall door window table chair lamp clock key
letter paper ink map ship train wheel engine wire glass silver gold iron copper salt sugar bread apple honey tea
coffee milk seed leaf root flower grass cloud storm wave sand desert valley hill cave path gate market village
morning evening winter summer spring autumn quiet gentle heavy bright narrow distant hidden sudden curious patient
seven eleven twenty hundred thousand quickly slowly almost never always perhaps therefore beneath beyond toward
carries follows becomes remembers forgets borrows returns listens wanders gathers measures turns opens closes`;

const chinese = `我们 他们 自己 什么 没有 这个 那个 一个 可以 因为 所以 但是 如果 时候 已经 还是 现在 知道 觉得 开始
今天 明天 昨天 早上 晚上 春天 夏天 秋天 冬天 时间 地方 问题 东西 事情 朋友 老师 学生 孩子 先生 城市 村庄 学校 图书
道路 河流 大海 高山 森林 花园 小桥 月亮 太阳 星星 白云 大雨 微风 雪花 石头 树叶 种子 苹果 面包 蜂蜜 茶水 咖啡 牛奶
房子 窗户 大门 桌子 椅子 灯光 钟表 钥匙 信件 纸张 地图 火车 轮船 机器 玻璃 银色 黄金 铁皮 盐湖 沙漠 山谷 洞穴 市场
音乐 电影 故事 歌曲 游戏 历史 科学 数学 语言 文字 声音 颜色 形状 方向 力量 速度 温度 距离 中间 旁边 里面 外面 上面
慢慢 快快 常常 总是 也许 其实 终于 忽然 仍然 几乎 非常 特别 一起 向着 穿过 离开 回来 听见 看见 想起 忘记 带走 打开
关上 寻找 等待 发现 变成 属于 需要 喜欢 相信 希望 的 了 在 是 和 有 不 就 都 而 又 很 也 把 被 从 到 对 与 或`;

const listed = (text: string): readonly string[] => [...new Set(text.split(/\s+/))];

export const englishWords = listed(english);
export const chineseWords = listed(chinese);
