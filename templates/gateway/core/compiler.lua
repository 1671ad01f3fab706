-- LuaJIT's compiler, for code that runs the same few thousand times a second for months. A request is a chain of some
-- thousand instructions: the usual bounds cut it into pieces. And what is compiled late is compiled as it is used:
-- after 56 rounds a trace follows the first requests, which find nothing made yet, and then all others leave it again.
require("jit.opt").start("maxrecord=40000", "maxtrace=20000", "maxirconst=20000", "maxside=1000", "maxsnap=5000",
  "maxmcode=16384", "sizemcode=512", "hotloop=500", "hotexit=30")
