-- Runs busted under the lua5.4 that runs this file; /usr/bin/busted would take whatever `lua` is.
require "busted.runner" { standalone = false }
