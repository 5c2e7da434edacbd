"""The regulations as data: what each says, how its time is counted, how it is drawn.

Read the law in `definitions/<procedure>/<edition>.yaml`; ask for it through `catalogue`.
"""
