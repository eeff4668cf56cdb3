# SPDX-License-Identifier: Apache-2.0
# Usage: awk -f embed.awk block.css flame.js ... > file.c
# Makes one string constant a file, lpp_asset_block_css and so on. Left out are
# comments on lines of their own, indentation, and in a style sheet the blanks
# and line ends that have no meaning. Fails on what must not stand in the page:
# text that is not ASCII, "<" and "&" in a style sheet (XHTML reads them as
# markup), "</" in a script.

function fail(why) {
    print FILENAME ":" FNR ": " why >"/dev/stderr"
    failed = 1
    exit 1
}

# Write the line that is held back, as one literal.
function write_held(    text) {
    text = held
    held = ""
    if (text != "") {
        gsub(/\\/, "&&", text)
        gsub(/"/, "\\\"", text)
        gsub(/\n/, "\\n", text)
        print "    \"" text "\""
    }
}

function end_file() {
    write_held()
    if (name != "") {
        print "    ;"
    }
}

BEGIN {
    print "/* Made by embed.awk. */"
    print "#include \"report/lpp_report_internal.h\""
}

FNR == 1 {
    end_file()
    name = FILENAME
    sub(/^.*\//, "", name)
    gsub(/\./, "_", name)
    is_style = name ~ /_css$/
    print "\nconst char lpp_asset_" name "[] ="
}

{
    ends_rule = /^}/
    sub(/^ +/, "")
}

# A comment begins a line and ends one.
/^\/\*/ { in_comment = 1 }
in_comment {
    if (/\*\/$/) {
        in_comment = 0
    }
    next
}
/^$/ { next }
/[^ -~]/ { fail("not ASCII, or a tab") }

!is_style {
    if (/<\//) {
        fail("\"</\" ends a script")
    }
    write_held()
    held = $0 "\n"
    next
}

/[<&]/ { fail("\"<\" or \"&\" in a style sheet") }

{
    sub(/ \{$/, "{")
    gsub(/, /, ",")
    if (match($0, /^[-a-z]+: /)) {
        $0 = substr($0, 1, RLENGTH - 1) substr($0, RLENGTH + 1)
    }
    if ($0 == "}") {
        sub(/;$/, "", held)
        held = held "}" (ends_rule ? "\n" : "")
        next
    }
    write_held()
    # A line that ends otherwise goes on after a blank.
    held = $0 (/[{};,]$/ ? "" : " ")
}

END {
    if (!failed) {
        end_file()
    }
}
