#!/usr/bin/env bash
# Makes the four files of this folder from @fontsource/ibm-plex-sans-arabic 5.3.0 (npm): ./make.sh FOLDER_WITH_ITS_FILES
# Needs fonttools[woff] 4.68 (`uv tool run --from 'fonttools[woff]==4.68.0' …`).
#
# plex-arabic-*: the letters, marks and digits of Arabic, with Kurdish and Persian ones for names, and the punctuation
# and spaces that stand between them: a page in Arabic needs no other file unless it has Latin letters.
# plex-latin-*: ASCII and the punctuation of English. Whatever else comes is shown in the system's own font.
# Hints are left out: they are a third of the bytes, and screens of today do without. So is `calt`: 132 texts of the
# portal, some with vowel signs, were the same to the pixel without it.
set -euo pipefail
from=${1:?folder with ibm-plex-sans-arabic-*.woff2}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
arabic='U+0020,U+00A0,U+060C,U+061B,U+061F,U+0621-063A,U+0640-0652,U+0654,U+0655,U+0660-066C,U+0670,U+0671'
kurdish='U+067E,U+0686,U+0695,U+0698,U+06A4,U+06A9,U+06AF,U+06B5,U+06BE,U+06C6,U+06CC,U+06CE,U+06D5'
between='U+0021,U+0025-0029,U+002B,U+002D-003A,U+003D,U+005B,U+005D,U+00AB,U+00B7,U+00BB,U+2013,U+2014,U+2026'
latin='U+0020-007E,U+00A0,U+00A9,U+00AB,U+00B7,U+00BB,U+00D7,U+2013,U+2014,U+2018-201D,U+2022,U+2026'
subset() { # SCRIPT WEIGHT CHARACTERS OUT FLAVOR
	pyftsubset "$from/ibm-plex-sans-arabic-$1-$2-normal.woff2" --unicodes="$3" --no-hinting --output-file="$4" \
		--layout-features='init,medi,fina,isol,rlig,liga,ccmp,locl,kern,mark,mkmk' ${5:+--flavor="$5"}
}
for weight in 400 600; do
	subset arabic "$weight" "$arabic,$kurdish" "$work/arabic.ttf"
	subset latin "$weight" "$between" "$work/between.ttf"
	pyftmerge --output-file="$work/merged.ttf" "$work/arabic.ttf" "$work/between.ttf"
	fonttools ttLib.woff2 compress -o "$here/plex-arabic-$weight.woff2" "$work/merged.ttf"
	subset latin "$weight" "$latin" "$here/plex-latin-$weight.woff2" woff2
done
rm -r "$work"
