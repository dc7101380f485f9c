"""What is put where something was taken away (step 5 of the method, in the picture).

Three continuations of the surroundings, each right for another kind of background, a trial on the picture itself that
tells which kind it has (``trial``), and the texture of the ground whichever it is (``patches``, ``grain``);
``background`` is the station that uses them.
"""
